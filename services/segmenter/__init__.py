"""The segmenter decides: each fact becomes one customer state and one decision with its reasons."""
