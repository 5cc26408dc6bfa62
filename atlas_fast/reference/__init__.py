"""Reference data: tables compiled from data packages, shared by all processes, searched in place.

    folder/                        paths.reference_folder()
      CURRENT-<layout>             names a generation and the digest of its manifest
      <layout>-<digest>/           a generation: never written again once it has this name
        data.mdb                   LMDB, one value a table
        manifest.json              size, tables, counts, checksums, sources, licences, dates
      verified/<generation>        the identity of the file whose checksums were compared
      lock                         held by the one builder

`<layout>` follows from the names and layouts of all tables, so two versions of atlas_fast whose
tables differ use different pointers and live side by side.

    reference = open_reference()            # builds what is not there; the same object every time
    table = reference.table(b"geo")         # a Table of _kernels.tables, for a kernel

Call `open_reference` once a batch: it costs one stat, and gives a newer generation when there is
one. A Table keeps its generation mapped for as long as it lives.

A table is a module in `tables/` whose name stands in `tables.NAMES`, with

    NAME: bytes                     its kind, at most 8 ASCII bytes
    LAYOUT: int                     raised with every change of the payload's form
    def sources(named) -> list[Source]:         what it is made from; [] when nothing is installed
    def compile(sources) -> tuple[int, bytes]:  count of entries, and the payload

`named` has the files that the user named, by option ("mmdb", "psl", "unicode"). Modules import at
the top only what is cheap: opening a reference imports all of them.
"""
