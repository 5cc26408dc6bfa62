"""What a target makes of the fuzzer's bytes.

The first byte of an input chooses how the rest is read:
    odd             as it is; the block is libFuzzer's own, of its exact size
    0 modulo 4      each byte mapped into the subject's alphabet
    2 modulo 4      each byte is a token of the subject: whole field names, delimiters, tags
The last two reach deep states soon. What they make lies in a block of malloc of its exact size, so
that the address sanitizer sees a read of one byte too many.
"""
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, strlen

ctypedef void (*Body)(const uint8_t* buf, Py_ssize_t size) noexcept nogil

cdef enum:
    MAX_TOKENS = 64
    SEPARATOR = 1           # between the tokens of a string
    MAX_SIZE = 1 << 16


cdef inline void run_mapped(
    Body body, const char* alphabet, const uint8_t* data, size_t size,
) noexcept nogil:
    cdef size_t i, n = strlen(alphabet)
    cdef uint8_t* block = <uint8_t*> malloc(size if size else 1)
    if block is NULL:
        return
    for i in range(size):
        block[i] = <uint8_t> alphabet[data[i] % n]
    body(block, <Py_ssize_t> size)
    free(block)


cdef inline void run_tokens(
    Body body, const char* tokens, const uint8_t* data, size_t size,
) noexcept nogil:
    cdef const char* start[MAX_TOKENS]
    cdef size_t length[MAX_TOKENS]
    cdef size_t i, n = 0, total = 0, at
    cdef const char* pos = tokens
    cdef uint8_t* block
    start[0] = pos
    while True:
        if pos[0] == SEPARATOR or pos[0] == 0:
            length[n] = <size_t> (pos - start[n])
            n += 1
            if pos[0] == 0 or n == MAX_TOKENS:
                break
            start[n] = pos + 1
        pos += 1
    for i in range(size):
        at = length[data[i] % n]
        if total + at > MAX_SIZE:
            size = i
            break
        total += at
    block = <uint8_t*> malloc(total if total else 1)
    if block is NULL:
        return
    total = 0
    for i in range(size):
        at = data[i] % n
        memcpy(block + total, start[at], length[at])
        total += length[at]
    body(block, <Py_ssize_t> total)
    free(block)


cdef inline void run(
    Body body, const char* alphabet, const char* tokens, const uint8_t* data, size_t size,
) noexcept nogil:
    if size == 0:
        body(data, 0)
    elif data[0] & 1:
        body(data + 1, <Py_ssize_t> size - 1)
    elif data[0] & 2:
        run_tokens(body, tokens, data + 1, size - 1)
    else:
        run_mapped(body, alphabet, data + 1, size - 1)
