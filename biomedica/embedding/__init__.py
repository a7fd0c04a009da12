"""open_clip models: which one is meant, loading it, and encoding pixels and texts."""

from biomedica.embedding.encoder import Encoder, load_encoder
from biomedica.embedding.models import ModelInfo, Preprocessing, model_info
from biomedica.embedding.untrained import write_untrained_checkpoint

__all__ = [
    "Encoder",
    "ModelInfo",
    "Preprocessing",
    "load_encoder",
    "model_info",
    "write_untrained_checkpoint",
]
