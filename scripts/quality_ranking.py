"""Print the ranking of the bundled catalog on every quality scale, and how far the priors are from published figures.

Usage: python scripts/quality_ranking.py [ROWS]
"""

import sys
from statistics import fmean

from stackplan.bundled import bundled_folder
from stackplan.catalog import Catalog
from stackplan.catalog_index import load_catalog
from stackplan.hardware import Basis
from stackplan.judgement_yaml import load_quality
from stackplan.quality import QualityScore, prior_points, quality_of
from stackplan.quality_tables import QualityTables


def main(rows: int) -> None:
    """Print one table per scale."""
    folder = bundled_folder("catalog")
    catalog, tables = load_catalog([folder]), load_quality(folder / "quality.yaml")
    for scale in tables.scales:
        print(f"\n{scale}: {tables.scales[scale].title}")
        for points, model_id, prior, basis in ranking(catalog, scale, tables)[:rows]:
            print(f"  {points:5.1f}  {model_id:34} {basis:9} prior {prior:.0f}")
        print(f"  prior against figures: {residuals(catalog, scale, tables)}")


def ranking(catalog: Catalog, scale: str, tables: QualityTables) -> list[tuple[float, str, float, str]]:
    """Models that a role of ``scale`` would take, best first: points, id, prior, basis."""
    kinds = {kind for role in catalog.roles if role.scale == scale for kind in role.suits}
    prior = tables.scales[scale].prior
    scored = [
        (model, quality_of(model, scale, tables)) for model in catalog.models if kinds & set(model.suits) or not kinds
    ]
    table = [(score.points, model.id, prior_points(model, prior), score.basis.value) for model, score in scored]
    return sorted(table, key=lambda row: (-row[0], row[1]))


def residuals(catalog: Catalog, scale: str, tables: QualityTables) -> str:
    """Mean and root mean square of figure less prior, over models with figures of their own."""
    prior = tables.scales[scale].prior
    gaps = [
        score.points - prior_points(model, prior)
        for model in catalog.models
        if _has_figure(score := quality_of(model, scale, tables))
    ]
    if not gaps:
        return "no figures"
    return (
        f"{len(gaps)} models, mean {fmean(gaps):+.1f}, root mean square {fmean(gap * gap for gap in gaps) ** 0.5:.1f}"
    )


def _has_figure(score: QualityScore) -> bool:
    return score.basis is not Basis.ASSUMED and not score.note.startswith("bridged")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
