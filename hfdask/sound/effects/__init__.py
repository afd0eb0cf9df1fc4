"""The effects of a sound, in blocks of any size (docs/compositions.md, 10)."""

from hfdask.sound.effects.chain import ChainProcessor, latency, tail

__all__ = ["ChainProcessor", "latency", "tail"]
