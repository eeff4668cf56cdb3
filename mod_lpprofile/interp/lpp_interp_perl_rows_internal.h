/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_perl_rows_internal: where things are in Perl's structures, a row a
 * version. tests/readers/test_perl_rows.py compares the row with the headers
 * that are installed. Includes nothing, so that Perl's headers may be beside
 * it.
 */
#ifndef LPP_INTERP_PERL_ROWS_INTERNAL_H
#define LPP_INTERP_PERL_ROWS_INTERNAL_H

/* Offsets in bytes, and numbers, of a perl with ithreads on a machine of 64
 * bits. */
typedef struct lpp_interp_perl_row_t {
    unsigned char revision, version;
    unsigned short interp_size;             /* PL_interp_size */
    unsigned short curcop, curstackinfo;    /* intrpvar.h: PerlInterpreter */
    unsigned char si_cxstack, si_prev, si_cxix, si_type; /* cop.h: PERL_SI */
    unsigned char si_is_sort;               /* cop.h: PERLSI_SORT */
    unsigned char cx_size, cx_oldcop, cx_retop, cx_cv; /* cop.h: PERL_CONTEXT */
    unsigned char cop_line, cop_file;       /* cop.h: COP */
    unsigned char cxt_null, cxt_sub, cxt_format, cxt_eval; /* cop.h: CXt_ */
    unsigned char cxp_evalblock;            /* cop.h: eval of a block */
    unsigned char op_type;                  /* op.h: BASEOP, 9 bits of 16 */
    unsigned short op_nextstate, op_dbstate; /* opnames.h */
    unsigned char cv_start, cv_gv, cv_flags, cv_depth; /* cv.h: XPVCV */
    unsigned short cvf_named;               /* cv.h: CVf_NAMED */
    unsigned char gv_stash, gv_namehek;     /* gv.h, sv.h: XPVGV */
    unsigned char hek_len, hek_key;         /* hv.h: HEK */
    unsigned char hv_name, hv_name_count;   /* hv.h: xpvhv_with_aux */
    unsigned int hv_has_aux;                /* sv.h: a bit of sv_flags */
    unsigned char sv_any, sv_flags;         /* sv.h: SV */
} lpp_interp_perl_row_t;

/* The row of that version; (revision 5, version 36: Perl 5.36); a null pointer
 * if it is not known.
 * Signal-safe: yes. Thread: any. */
const lpp_interp_perl_row_t *lpp_interp_perl_row(unsigned revision,
                                                 unsigned version);

#endif
