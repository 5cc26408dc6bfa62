from atlas_fast._kernels.tables cimport Table
from atlas_fast._kernels.types cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef enum:
    SFX_PRIVATE = 1 << 0        # the rule is one of the private section
    SFX_UNKNOWN = 1 << 1        # no rule but the implied `*`: the last label is the suffix
    SFX_ADDRESS = 1 << 2        # an IP address or address literal, no name
    SFX_EMPTY = 1 << 3          # no name at all, or one with an empty label


cdef struct Node:
    uint32_t text               # where its name begins in `texts`
    uint8_t size                # bytes of its name; 0 in a free slot
    uint8_t flags
    uint16_t tag                # the upper bits of its hash


cdef struct Fold:
    uint32_t upper
    uint32_t lower


cdef struct RuleSet:
    const Node* slots
    uint64_t mask
    const uint8_t* filter       # a bit for each hash that is there: most names are no node
    uint64_t filter_mask        # of bits
    const uint8_t* texts
    const Fold* folds           # letters beyond ASCII, by `upper`
    Py_ssize_t n_folds


cdef struct Suffix:
    int32_t registrable         # start of the registrable domain, or -1
    int32_t suffix              # start of the public suffix, or -1
    int32_t stop                # of both: the size less a final dot
    uint8_t flags


cdef class SuffixRules:
    cdef RuleSet rules
    cdef readonly Table table


cdef void suffix_find(
    const RuleSet* rules, const uint8_t* name, Py_ssize_t size, Py_ssize_t room, bint private,
    Suffix* out,
) noexcept nogil
