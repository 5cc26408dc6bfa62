from atlas_fast._kernels.arena cimport Arena
from atlas_fast._kernels.types cimport uint8_t, uint32_t


cdef struct Mailbox:            # positions in the same buffer
    Py_ssize_t name_start       # the phrase before `<`, white space trimmed; empty: none
    Py_ssize_t name_stop
    Py_ssize_t address_start    # the addr-spec, without brackets
    Py_ssize_t address_stop


cdef struct MailboxState:       # zero before the first call
    bint in_group
    Py_ssize_t group_start
    Py_ssize_t group_stop
    bint no_quote               # no `"` closes any more: keeps hostile input linear
    bint no_comment


cdef Py_ssize_t next_mailbox(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,
    MailboxState* state, Mailbox* box, uint32_t* flags,
) noexcept nogil

cdef void phrase_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil

cdef void addr_spec_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil

cdef Py_ssize_t domain_start(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil
