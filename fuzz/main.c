/* libFuzzer entry: starts Python, imports `targets`, calls the C function named by ATLAS_FAST_FUZZ. */
#include <Python.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*target_function)(const uint8_t *data, size_t size);

static target_function target;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    const char *name = getenv("ATLAS_FAST_FUZZ");
    PyObject *module, *addresses, *address;
    (void)argc;
    (void)argv;
    Py_InitializeEx(0);
    module = PyImport_ImportModule("targets");
    addresses = module ? PyObject_GetAttrString(module, "ADDRESSES") : NULL;
    address = addresses && name ? PyDict_GetItemString(addresses, name) : NULL;
    if (!address) {
        PyErr_Print();
        fprintf(stderr, "no fuzz target '%s'\n", name ? name : "");
        exit(2);
    }
    target = (target_function)PyLong_AsVoidPtr(address);
    PyEval_SaveThread();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    target(data, size);
    return 0;
}
