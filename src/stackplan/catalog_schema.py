"""What a catalog file may say: the records of ``catalog/models/*.yaml`` and ``catalog/engines.yaml``, strictly.

Unknown fields, wrong types and impossible values are errors. The vocabularies (kinds, formats, quantisations)
live here, so that a misspelt word is caught where it was written.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

# Control and direction characters could write to a terminal or hide one name behind another.
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2066}-\u{2069}]*$"
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=_PRINTABLE)]
Note = Annotated[str, StringConstraints(max_length=4000, pattern=_PRINTABLE)]
# Names end up in file names, compose files and shell scripts: nothing there may need quoting.
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]{0,199}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")]
FilePattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9{][A-Za-z0-9._/{}-]{0,199}$")]
Month = Annotated[str, StringConstraints(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
Count = Annotated[int, Field(ge=0, le=10**15)]
Gibibytes = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]

Kind = Literal[
    "worker", "general", "code", "fim", "math", "watchdog", "vision", "ocr", "draft", "embed", "rerank", "audio"
]  # "fim": trained to fill in the middle of a file
MODE_OF_KIND: dict[str, str] = {
    "embed": "embedding",
    "rerank": "rerank",
    "audio": "audio_transcription",
}  # every other kind is served as chat
Mode = Literal["chat", "embedding", "rerank", "audio_transcription"]
Input = Literal["text", "image", "video", "audio"]
Format = Literal["gguf", "ollama", "safetensors", "ctranslate2"]
Thinking = Literal["none", "always", "switchable", "unknown"]
Confidence = Literal["high", "medium", "low"]

# Types that llama-quantize writes: their sizes follow from its rules.
_WRITTEN = (
    "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q2_K_S Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K "
    "IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS IQ3_XS IQ3_S IQ3_M IQ4_XS IQ4_NL MXFP4_MOE"
)
WITH_RECIPE = frozenset(_WRITTEN.split())
# Mixtures of publishers and formats of other engines: only their published size is known.
_OTHER = "Q2_K_L Q3_K_XL Q4_K_L Q5_K_L Q6_K_L MXFP4 FP8 NVFP4 AWQ GPTQ INT8 float16 float32 int8 int8_float16"
QUANTISATIONS = WITH_RECIPE.union(_OTHER.split())
DYNAMIC_PREFIX = "UD-"  # Unsloth's choice per tensor
_STANDARD = {"MXFP4": "MXFP4_MOE", "Q2_K_L": "Q2_K", "Q3_K_XL": "Q3_K_L", "Q6_K_L": "Q6_K"}


def standard_type(quantisation: str) -> str:
    """The quantiser's own type that ``quantisation`` is nearest to: ``UD-Q4_K_XL`` -> ``Q4_K_M``."""
    name = quantisation.removeprefix(DYNAMIC_PREFIX)
    if name in WITH_RECIPE:
        return name
    stem = name.removesuffix("_XL").removesuffix("_L")
    return _STANDARD.get(name, f"{stem}_M" if f"{stem}_M" in WITH_RECIPE else stem)


def is_quantisation(name: str) -> bool:
    """Whether ``name`` is a quantisation that stackplan knows."""
    return name in QUANTISATIONS or (name.startswith(DYNAMIC_PREFIX) and standard_type(name) in QUANTISATIONS)


class Record(BaseModel):
    """Common rules: nothing unknown, nothing coerced, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LicenceRecord(Record):
    """Terms of use. ``commercial`` and ``gated`` are null when nobody could read them."""

    id: Text
    name: Text
    commercial: bool | None
    gated: bool | None
    note: Note = ""


class TokenizerRecord(Record):
    """``family`` names tokenizers that agree token by token; ``vocabulary`` counts embedding rows, 0 if unknown."""

    family: Text
    vocabulary: Count = 0


class QualityRecord(Record):
    """One published result."""

    metric: Text
    value: Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
    date: Month
    source: Text
    confidence: Confidence = "high"
    note: Note = ""


class EmbeddingRecord(Record):
    """What an embedder or reranker gives. ``multi_vector`` models need an index of their own kind.

    ``pooling`` is how one vector is made of many: the mode in the repository's 1_Pooling/config.json, or its card.
    """

    dimensions: Annotated[int, Field(gt=0, le=100_000)]
    max_tokens: Annotated[int, Field(gt=0, le=10**8)]
    smaller_dimensions: list[Count] = []
    matryoshka: bool = False
    multi_vector: bool = False
    pooling: Literal["", "mean", "cls", "last"] = ""


class SourceRecord(Record):
    """Where the groups of fields come from."""

    identity: Text
    parameters: Text
    context: Note = ""
    licence: Note = ""
    architecture: Note = ""
    sizes: Note = ""
    ollama: Note = ""
    thinking: Note = ""
    prediction: Note = ""


def _hyperparameter(value: Any) -> Any:
    """A number, a flag or a word, or a list with one of them per block."""
    per_block = value if isinstance(value, list) else [value]
    if len(per_block) > MAX_BLOCKS or not all(isinstance(item, int | float | str) for item in per_block):
        raise ValueError("must be a number, a flag or a word, or a list with one of them per block")
    if any(not isinstance(item, str) and not 0 <= item <= LARGEST_HYPERPARAMETER for item in per_block):
        raise ValueError(f"must lie between 0 and {LARGEST_HYPERPARAMETER}")
    return value


def _check_shape(shape: dict[str, Any] | None) -> None:
    """Bounds of what a shape makes the estimator loop over."""
    for key in ("block_count", "nextn_predict_layers"):
        blocks = (shape or {}).get(key, 0)
        if isinstance(blocks, bool) or not isinstance(blocks, int) or blocks > MAX_BLOCKS:
            raise ValueError(f"architecture: {key} must be a whole number up to {MAX_BLOCKS}")


MAX_BLOCKS = 1024
LARGEST_HYPERPARAMETER = 10**9
Hyperparameter = Annotated[Any, AfterValidator(_hyperparameter)]


class ArtifactRecord(Record):
    """One place to fetch a model from, in one or several quantisations.

    Sizes: ``published_gib`` per quantisation as the source printed it, ``published_bytes`` if it is exact,
    ``published_size`` for a label such as 4.7GB, ``bytes_per_parameter`` where the file is the plain weights.
    ``quantisations`` lists types without a published size; the estimator derives those.
    ``architecture`` holds what these files' shape has otherwise: an extra prediction block, an untied output head.
    ``recipe`` is the quantiser's type that the files really follow, whatever they are called.
    ``size_note`` says why a published size is not what the quantiser's rules give.
    """

    format: Format
    repository: Reference | None = None
    tag: Reference | None = None
    quantisation: str | None = None
    quantisations: list[str] = []
    published_gib: dict[str, Gibibytes] = {}
    published_bytes: Count | None = None
    published_size: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?(MB|GB|TB)$")] | None = None
    bytes_per_parameter: Annotated[float, Field(gt=0, le=8)] | None = None
    importance_matrix: bool = False
    recipe: str | None = None
    architecture: dict[str, Hyperparameter] = {}
    file: FilePattern | None = None
    revision: Note = ""
    projectors: dict[FileName, Gibibytes] = {}
    projector_bytes: Count | None = None
    includes_projector: bool = False
    engines: list[Identifier] | None = None
    size_note: Note = ""

    @property
    def offered(self) -> tuple[str, ...]:
        """Every quantisation that this place offers, in the order written."""
        single = () if self.quantisation is None else (self.quantisation,)
        return (*single, *self.published_gib, *self.quantisations)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.offered:
            raise ValueError("names no quantisation: give quantisation, quantisations or published_gib")
        if unknown := next((name for name in self.offered if not is_quantisation(name)), None):
            raise ValueError(f"unknown quantisation {unknown!r}")
        if self.recipe is not None and self.recipe not in WITH_RECIPE:
            raise ValueError(f"unknown recipe {self.recipe!r}")
        if len(set(self.offered)) != len(self.offered):
            raise ValueError("the same quantisation appears twice")
        if (self.format == "ollama") != (self.tag is not None) or (self.tag is None) == (self.repository is None):
            raise ValueError("an ollama artifact has a tag, every other format a repository")
        if self.format != "gguf" and self.quantisation is None:
            raise ValueError(f"{self.format} needs one quantisation")
        return self


class RoleRecord(Record):
    """A job; see `stackplan.catalog.Role` for the meaning of the fields."""

    id: Identifier
    title: Text
    suits: Annotated[list[Kind], Field(min_length=1)]
    scale: Identifier
    mode: Mode
    engines: Annotated[list[Identifier], Field(min_length=1)]
    default_tier: Literal["HOT", "WARM", "COLD", "hot", "warm", "cold"]
    context_floor_tokens: Count
    context_wish_tokens: Count
    speed_floor: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    speed_wish: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    port: Annotated[int, Field(ge=1, le=65535)]
    slots: Annotated[int, Field(ge=1, le=1024)] = 1
    inputs: list[Input] = ["text"]
    thinking: Text = "any"
    speculation: bool = True
    prompt_lookup: bool = False
    expert_reduction: bool = False
    architecture_classes: list[Text] = []
    quality_floor: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0.0
    checks: list[Identifier] = []
    source: Note = ""


class RolesFile(Record):
    """``catalog/roles.yaml``."""

    roles: Annotated[list[RoleRecord], Field(min_length=1)]


class ModelRecord(Record):
    """One model; see `stackplan.catalog.Model` for the meaning of the fields."""

    id: Identifier
    name: Text
    lineage: Identifier
    released: Month
    repository: Reference
    licence: LicenceRecord
    context_tokens: Annotated[int, Field(ge=0, le=10**8)]
    tokenizer: TokenizerRecord
    inputs: Annotated[list[Input], Field(min_length=1)]
    suits: Annotated[list[Kind], Field(min_length=1)]
    parameters: Annotated[int, Field(gt=0, le=10**14)]
    active_parameters: Annotated[int, Field(gt=0, le=10**14)]
    vision_parameters: Count = 0
    thinking: Thinking = "unknown"
    prediction_head: bool = False
    architecture: dict[str, Hyperparameter] | None = None
    embedding: EmbeddingRecord | None = None
    artifacts: list[ArtifactRecord] = []
    quality: list[QualityRecord] = []
    sources: SourceRecord
    date: Month
    notes: Note = ""

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        if self.active_parameters > self.parameters:
            raise ValueError("active_parameters exceed parameters")
        for shape in (self.architecture, *(place.architecture for place in self.artifacts)):
            _check_shape(shape)
        if self.architecture is not None and not isinstance(self.architecture.get("name"), str):
            raise ValueError("architecture needs a name, the GGUF architecture")
        return self


class FamilyFile(Record):
    """One file of ``catalog/models``."""

    family: Identifier
    about: Note = ""
    models: Annotated[list[ModelRecord], Field(min_length=1)]
