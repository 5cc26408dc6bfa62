"""Columns as a table that SQLite reads by itself: no object of Python for a value, and no GIL.

(a) Columns: texts, texts by code, integers, reals and blobs, checked once when they are shown.
(b) The virtual table `atlas_rows` (c0, c1, ...), read only: its cursor is a row number, and a value
    is handed to SQLite where it lies. (sqlite.org/vtab.html; the structs below are its interface,
    which SQLite 3 does not change.)
(c) attach: registers the table with a connection while that is opened, by the functions of the
    SQLite which Python's own module uses, and of no other. `sqlite3_auto_extension` is the one
    documented way to the handle of a connection that somebody else opens.
"""
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free

from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t

cdef extern from *:
    """
    static _Thread_local void *atlas_opened;    /* handle of this thread's newest connection */
    static _Thread_local int atlas_openings;    /* how many it has opened since `attach` began */
    static int atlas_count(int *n, int by) { return __atomic_add_fetch(n, by, __ATOMIC_ACQ_REL); }
    """
    int atlas_count(int* n, int by) noexcept nogil
    void* atlas_opened
    int atlas_openings

MAX_COLUMNS = 64
FUNCTIONS = (
    "sqlite3_auto_extension", "sqlite3_cancel_auto_extension", "sqlite3_libversion",
    "sqlite3_create_module_v2", "sqlite3_declare_vtab", "sqlite3_result_null",
    "sqlite3_result_int64", "sqlite3_result_double", "sqlite3_result_text", "sqlite3_result_blob",
)
TEXT, INTEGER, REAL, BLOB = range(4)
NONE = -(1 << 63)

cdef enum:
    N_FUNCTIONS = 10            # FUNCTIONS, in the order of Api
    COLUMNS = 64
    A_TEXT = 0
    AN_INTEGER = 1
    A_REAL = 2
    A_BLOB = 3
    GOOD = 0                    # SQLITE_OK
    NO_MEMORY = 7               # SQLITE_NOMEM

cdef int64_t NO_INTEGER = <int64_t> (<unsigned long long> 1 << 63)
cdef uint8_t NOTHING = 0        # where an empty text lies: NULL would be no text at all
cdef const char* MAKES = (
    b"CREATE TABLE x(c0,c1,c2,c3,c4,c5,c6,c7,c8,c9,c10,c11,c12,c13,c14,c15,c16,c17,c18,c19,c20,c21,"
    b"c22,c23,c24,c25,c26,c27,c28,c29,c30,c31,c32,c33,c34,c35,c36,c37,c38,c39,c40,c41,c42,c43,c44,"
    b"c45,c46,c47,c48,c49,c50,c51,c52,c53,c54,c55,c56,c57,c58,c59,c60,c61,c62,c63)"
)

ctypedef void (*Plain)() noexcept nogil

cdef struct Api:                # what of SQLite is called
    int (*auto_extension)(Plain entry) noexcept nogil
    int (*cancel_auto_extension)(Plain entry) noexcept nogil
    const char* (*libversion)() noexcept nogil
    int (*create_module)(void* db, const char* name, const void* module, void* aux,
                         void (*destroy)(void*) noexcept nogil) noexcept nogil
    int (*declare_vtab)(void* db, const char* sql) noexcept nogil
    void (*null)(void* context) noexcept nogil
    void (*integer)(void* context, int64_t value) noexcept nogil
    void (*real)(void* context, double value) noexcept nogil
    void (*text)(void* context, const uint8_t* at, int size, void* destroy) noexcept nogil
    void (*blob)(void* context, const uint8_t* at, int size, void* destroy) noexcept nogil

cdef struct Column:
    int kind
    const uint8_t* data         # bytes of texts and blobs, numbers of their kind
    const int64_t* offsets      # of texts: entry i is data[offsets[i]:offsets[i + 1]]
    const int32_t* codes        # of texts: entry of each row, or NULL; a negative one is none
    Py_ssize_t width            # of blobs

cdef struct Shown:              # what a connection reads; it and the RowTable hold it
    int holders
    int cursors                 # that are open on it
    Py_ssize_t n, n_columns
    Column columns[COLUMNS]

cdef struct Base:               # sqlite3_vtab
    const void* module
    int references
    char* message

cdef struct Table:
    Base base
    Shown* shown

cdef struct Cursor:
    Table* table                # sqlite3_vtab_cursor
    int64_t row

cdef struct Module:             # sqlite3_module, version 0
    int version
    int (*create)(void*, void*, int, const char**, void**, char**) noexcept nogil
    int (*connect)(void*, void*, int, const char**, void**, char**) noexcept nogil
    int (*best_index)(void*, void*) noexcept nogil
    int (*disconnect)(void*) noexcept nogil
    int (*destroy)(void*) noexcept nogil
    int (*open)(void*, void**) noexcept nogil
    int (*close)(void*) noexcept nogil
    int (*filter)(void*, int, const char*, int, void**) noexcept nogil
    int (*next)(void*) noexcept nogil
    int (*eof)(void*) noexcept nogil
    int (*column)(void*, void*, int) noexcept nogil
    int (*rowid)(void*, int64_t*) noexcept nogil
    void* unused[8]

cdef Api API
cdef Module MODULE


cdef int _connect(
    void* db, void* aux, int argc, const char** argv, void** out, char** error,
) noexcept nogil:
    cdef Table* table
    cdef int code = API.declare_vtab(db, MAKES)
    if code != GOOD:
        return code
    table = <Table*> calloc(1, sizeof(Table))
    if table is NULL:
        return NO_MEMORY
    table.shown = <Shown*> aux
    out[0] = table
    return GOOD


cdef int _create(
    void* db, void* aux, int argc, const char** argv, void** out, char** error,
) noexcept nogil:
    """Not `_connect` itself: so there is no table of this name but the one that is created."""
    return _connect(db, aux, argc, argv, out, error)


cdef int _best_index(void* table, void* info) noexcept nogil:
    return GOOD                                             # every row, in their order


cdef int _free(void* made) noexcept nogil:
    free(made)
    return GOOD


cdef int _open(void* table, void** out) noexcept nogil:
    out[0] = calloc(1, sizeof(Cursor))
    if out[0] is NULL:
        return NO_MEMORY
    (<Table*> table).shown.cursors += 1
    return GOOD


cdef int _close(void* cursor) noexcept nogil:
    (<Cursor*> cursor).table.shown.cursors -= 1
    free(cursor)
    return GOOD


cdef int _filter(void* cursor, int plan, const char* name, int argc, void** argv) noexcept nogil:
    (<Cursor*> cursor).row = 0
    return GOOD


cdef int _next(void* cursor) noexcept nogil:
    (<Cursor*> cursor).row += 1
    return GOOD


cdef int _eof(void* cursor) noexcept nogil:
    return (<Cursor*> cursor).row >= (<Cursor*> cursor).table.shown.n


cdef int _column(void* cursor, void* context, int k) noexcept nogil:
    cdef Shown* shown = (<Cursor*> cursor).table.shown
    cdef int64_t row = (<Cursor*> cursor).row, value, start
    cdef Column* column
    cdef double real
    if k < 0 or k >= shown.n_columns or row < 0 or row >= shown.n:
        API.null(context)
        return GOOD
    column = &shown.columns[k]
    if column.kind == A_TEXT:
        if column.codes is not NULL:
            row = column.codes[row]
        if row < 0:
            API.null(context)
        else:
            start = column.offsets[row]
            API.text(context, column.data + start, <int> (column.offsets[row + 1] - start), NULL)
    elif column.kind == AN_INTEGER:
        value = (<const int64_t*> column.data)[row]
        if value == NO_INTEGER:
            API.null(context)
        else:
            API.integer(context, value)
    elif column.kind == A_REAL:
        real = (<const double*> column.data)[row]
        API.real(context, real)                             # SQLite makes NULL of a NaN
    else:
        API.blob(context, column.data + row * column.width, <int> column.width, NULL)
    return GOOD


cdef int _rowid(void* cursor, int64_t* out) noexcept nogil:
    out[0] = (<Cursor*> cursor).row
    return GOOD


cdef void _let_go(void* shown) noexcept nogil:
    """A holder is gone: the RowTable, or the connection, which SQLite closes without the GIL."""
    if atlas_count(&(<Shown*> shown).holders, -1) == 0:
        free(shown)


MODULE.version = 0
MODULE.create = _create
MODULE.connect = _connect
MODULE.best_index = _best_index
MODULE.disconnect = _free
MODULE.destroy = _free
MODULE.open = _open
MODULE.close = _close
MODULE.filter = _filter
MODULE.next = _next
MODULE.eof = _eof
MODULE.column = _column
MODULE.rowid = _rowid


cdef class RowTable:
    """What `atlas_rows` shows on one connection; nothing at first. Not for two threads at a time.
    """
    cdef Shown* shown
    cdef list kept

    def __dealloc__(self):
        if self.shown is not NULL:
            self.shown.n = 0
            _let_go(self.shown)

    def show(self, columns, Py_ssize_t n):
        """n rows. A column is (TEXT, data, offsets, codes or None), (INTEGER, values), where NONE
        is NULL, (REAL, values), where a NaN is, or (BLOB, values of shape (n, width)); arrays of
        uint8, int64, int32, int64, float64 and uint8, which must not change before `hide`.
        ValueError when they do not fit n rows."""
        if self.shown is NULL:
            raise ValueError("a RowTable comes from attach")
        self.hide()
        if n < 0 or len(columns) > COLUMNS:
            raise ValueError(f"at most {COLUMNS} columns")
        try:
            for k, column in enumerate(columns):
                self._take(&self.shown.columns[k], column, n)
        except BaseException:
            self.hide()
            raise
        self.shown.n_columns = len(columns)
        self.shown.n = n

    def hide(self):
        """Nothing is shown; the arrays may go, but for those that a statement still has a row of."""
        if self.shown is NULL:
            return
        self.shown.n = self.shown.n_columns = 0
        if self.shown.cursors == 0:
            self.kept.clear()

    cdef int _take(self, Column* out, tuple column, Py_ssize_t n) except -1:
        cdef const int64_t[::1] integers
        cdef const double[::1] reals
        cdef const uint8_t[:, ::1] blobs
        cdef int kind = column[0]
        cdef list views = [None if one is None else memoryview(one) for one in column[1:]]
        out.kind, out.offsets, out.codes, out.width, out.data = kind, NULL, NULL, 0, &NOTHING
        self.kept.append(views)
        if kind == A_TEXT:
            _texts(out, views[0], views[1], views[2], n)
        elif kind == AN_INTEGER:
            integers = views[0]
            if integers.shape[0] != n:
                raise ValueError(f"{integers.shape[0]} integers for {n} rows")
            if n:
                out.data = <const uint8_t*> &integers[0]
        elif kind == A_REAL:
            reals = views[0]
            if reals.shape[0] != n:
                raise ValueError(f"{reals.shape[0]} reals for {n} rows")
            if n:
                out.data = <const uint8_t*> &reals[0]
        elif kind == A_BLOB:
            blobs = views[0]
            if blobs.shape[0] != n or blobs.shape[1] > 1 << 30:
                raise ValueError(f"{blobs.shape[0]} blobs for {n} rows")
            if n and blobs.shape[1]:
                out.data, out.width = &blobs[0, 0], blobs.shape[1]
        else:
            raise ValueError(f"{kind} is no kind of column")
        return 0


cdef int _texts(
    Column* out, const uint8_t[::1] data, const int64_t[::1] offsets, const int32_t[::1] codes,
    Py_ssize_t n,
) except -1:
    cdef Py_ssize_t entries = offsets.shape[0] - 1, i
    cdef int64_t size = data.shape[0]
    cdef int64_t before = offsets[0] if entries >= 0 and offsets[0] > 0 else 0
    for i in range(entries + 1):
        if offsets[i] < before or offsets[i] > size or offsets[i] - before > 1 << 30:
            raise ValueError(f"offset {i} does not fit the texts")
        before = offsets[i]
    if codes is None:
        if entries != n:
            raise ValueError(f"{entries} texts for {n} rows")
    else:
        if codes.shape[0] != n:
            raise ValueError(f"{codes.shape[0]} codes for {n} rows")
        for i in range(n):
            if codes[i] >= entries:
                raise ValueError(f"code {i} has no text")
        if n:
            out.codes = &codes[0]
    if entries >= 0:
        out.offsets = &offsets[0]
    if size:
        out.data = &data[0]
    return 0


cdef int _opened(void* db, char** error, const void* api) noexcept nogil:
    """Called by SQLite for every connection that is opened meanwhile, in the thread that does."""
    global atlas_opened, atlas_openings
    atlas_opened = db
    atlas_openings += 1
    return GOOD


cdef object _made():
    cdef RowTable table = RowTable()                        # without __cinit__: UBSan minds Cython's
    table.kept = []
    table.shown = <Shown*> calloc(1, sizeof(Shown))
    if table.shown is NULL:
        raise MemoryError
    table.shown.holders = 1
    return table


def attach(functions, version, connect):
    """`connect()`, an sqlite3.Connection, and the RowTable that it reads as `atlas_rows`; None in
    its place where that cannot be had, and nothing is lost but speed.

    `functions`: addresses of those that FUNCTIONS names, in the SQLite of the module `_sqlite3`,
    none of them 0; `version`: the one that this module names. Calls of several threads need a lock
    around them. ValueError when they are not so many.
    """
    global API, atlas_opened, atlas_openings
    cdef Api found
    cdef void* db
    cdef int i
    cdef RowTable table = _made()
    if len(functions) != len(FUNCTIONS) or 0 in functions:
        raise ValueError(f"{len(FUNCTIONS)} functions are needed")
    for i in range(N_FUNCTIONS):
        (<void**> &found)[i] = <void*> <uintptr_t> functions[i]
    if found.libversion().decode() != version:
        return connect(), None
    API = found
    atlas_opened, atlas_openings = NULL, 0
    if API.auto_extension(<Plain> <void*> _opened) != GOOD:
        return connect(), None
    try:
        connection = connect()
    finally:
        API.cancel_auto_extension(<Plain> <void*> _opened)
    db, atlas_opened = atlas_opened, NULL
    if db is NULL or atlas_openings != 1:                   # whose it is, is known of one only
        return connection, None
    atlas_count(&table.shown.holders, 1)
    if API.create_module(db, b"atlas_rows", &MODULE, table.shown, _let_go) != GOOD:
        return connection, None                             # it has called _let_go
    return connection, table
