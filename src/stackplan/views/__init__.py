"""Values -> text for people (rich) or programs (JSON)."""
