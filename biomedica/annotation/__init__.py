"""What experts say of clusters and images: taxonomy, votes, agreement, labels and their audit."""

from biomedica.annotation.taxonomy import (
    Concept,
    Level,
    PanelSubtype,
    PanelType,
    Replacement,
    Taxonomy,
    load_taxonomy,
    taxonomy_from_yaml,
)
from biomedica.annotation.translation import (
    Change,
    Translated,
    current_under,
    load_mapping,
    mapping_from_yaml,
    translate,
)
from biomedica.annotation.votes import (
    Contradiction,
    Item,
    Suggestion,
    Vote,
    check_vote,
    contradictions,
    current_votes,
    read_votes_table,
    votes_table,
)

__all__ = [
    "Change",
    "Concept",
    "Contradiction",
    "Item",
    "Level",
    "PanelSubtype",
    "PanelType",
    "Replacement",
    "Suggestion",
    "Taxonomy",
    "Translated",
    "Vote",
    "check_vote",
    "contradictions",
    "current_under",
    "current_votes",
    "load_mapping",
    "load_taxonomy",
    "mapping_from_yaml",
    "read_votes_table",
    "taxonomy_from_yaml",
    "translate",
    "votes_table",
]
