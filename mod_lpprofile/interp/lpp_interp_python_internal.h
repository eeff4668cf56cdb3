/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_python_internal: where the members of CPython's structures are: a
 * row a version, on a 64-bit machine.
 */
#ifndef LPP_INTERP_PYTHON_INTERNAL_H
#define LPP_INTERP_PYTHON_INTERNAL_H

#include "interp/lpp_interp_languages_internal.h"

/* Offsets in bytes; the comment names the structure and its member. */
struct lpp_interp_python_row_t {
    unsigned version; /* Py_Version >> 16 */

    /* internal/pycore_runtime.h, internal/pycore_interp.h */
    apr_uint16_t interpreters;       /* _PyRuntimeState interpreters.head */
    apr_uint16_t interpreter_next;   /* PyInterpreterState next */
    apr_uint16_t interpreter_states; /* PyInterpreterState threads.head */

    /* cpython/pystate.h */
    apr_uint16_t state_next;         /* PyThreadState next */
    apr_uint16_t state_interpreter;  /* PyThreadState interp */
    apr_uint16_t state_thread;       /* PyThreadState thread_id */
    apr_uint16_t state_frames;       /* PyThreadState cframe, or current_frame
                                        where there is no _PyCFrame */
    apr_uint16_t cframe_frame;       /* _PyCFrame current_frame; 0: there is no
                                        _PyCFrame */
    apr_uint16_t cframe_previous;    /* _PyCFrame previous */

    /* internal/pycore_frame.h */
    apr_uint16_t frame_code;         /* _PyInterpreterFrame f_code, or
                                        f_executable */
    apr_uint16_t frame_previous;     /* _PyInterpreterFrame previous */
    apr_uint16_t frame_instruction;  /* _PyInterpreterFrame prev_instr, or
                                        instr_ptr */
    apr_uint16_t frame_entry;        /* _PyInterpreterFrame is_entry, or owner
                                        */

    /* cpython/code.h, object.h */
    apr_uint16_t code_type;          /* PyObject ob_type */
    apr_uint16_t code_size;          /* PyVarObject ob_size */
    apr_uint16_t code_line;          /* PyCodeObject co_firstlineno */
    apr_uint16_t code_file;          /* PyCodeObject co_filename */
    apr_uint16_t code_name;          /* PyCodeObject co_qualname */
    apr_uint16_t code_lines;         /* PyCodeObject co_linetable */
    apr_uint16_t code_units;         /* PyCodeObject co_code_adaptive */

    /* cpython/bytesobject.h */
    apr_uint16_t bytes_size;         /* PyVarObject ob_size */
    apr_uint16_t bytes_data;         /* PyBytesObject ob_sval */

    /* cpython/unicodeobject.h */
    apr_uint16_t text_length;        /* PyASCIIObject length */
    apr_uint16_t text_state;         /* PyASCIIObject state */
    apr_uint16_t text_ascii;         /* sizeof(PyASCIIObject) */
    apr_uint16_t text_wide;          /* sizeof(PyCompactUnicodeObject) */

    /* cpython/object.h */
    apr_uint16_t type_members;       /* PyTypeObject tp_members */
};

/* frame_entry of a frame that is no function but where C code entered the
 * interpreter: FRAME_OWNED_BY_CSTACK. Where there is a _PyCFrame, not 0 marks
 * the outermost function of a run. */
#define LPP_INTERP_PYTHON_SHIM 3

#endif
