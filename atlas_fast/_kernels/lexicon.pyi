import numpy as np
from typing_extensions import Buffer

from atlas_fast._kernels.tables import Table

KIND: bytes
LAYOUT: int
TERM_WORDS: int

class Lexicon:
    table: Table
    n_states: int
    n_terms: int
    n_categories: int
    def __init__(self, table: Table) -> None: ...

def lexicon_batch(
    lexicon: Lexicon, text: Buffer, offsets: np.ndarray, counts: np.ndarray
) -> None: ...
def lexicon_find(lexicon: Lexicon, text: Buffer) -> list[tuple[int, int, int]]: ...
def transition_key(state: int, word: int) -> int: ...
def words_of(text: Buffer) -> list[tuple[int, int]]: ...
