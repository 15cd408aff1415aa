"""placeholder"""
from collections.abc import Iterable
def mask(text: str, values: Iterable[str]) -> str:
    for value in sorted((v for v in values if len(v) >= 3), key=len, reverse=True):
        text = text.replace(value, "[secret]")
    return text
