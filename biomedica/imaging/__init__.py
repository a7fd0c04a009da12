"""Image bytes → decoded, measured, hashed image, pixels for models, and thumbnails for pages."""

from biomedica.imaging.decoding import DecodedImage, decode, model_pixels
from biomedica.imaging.thumbnails import data_uri

__all__ = ["DecodedImage", "data_uri", "decode", "model_pixels"]
