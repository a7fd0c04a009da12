"""Image bytes → decoded, measured, hashed image, and pixels for models."""

from biomedica.imaging.decoding import DecodedImage, decode, model_pixels

__all__ = ["DecodedImage", "decode", "model_pixels"]
