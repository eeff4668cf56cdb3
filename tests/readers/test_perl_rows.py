# SPDX-License-Identifier: Apache-2.0
"""The row of the installed Perl is what its headers say."""
import os
import subprocess

SOURCE = r'''
#include "EXTERN.h"
#include "perl.h"
#include <stddef.h>
#include <stdio.h>
#include "interp/lpp_interp_perl_rows_internal.h"

static int wrong;

static void check(const char *what, unsigned long found, unsigned long row)
{
    if (found != row) {
        printf("%s: %lu in the headers, %lu in the row\n", what, found, row);
        wrong = 1;
    }
}

#define BLOCK cx_u.cx_blk
#define PLACE(name, type, member) check(#name, offsetof(type, member), row->name)
#define NUMBER(name, value) check(#name, value, row->name)

int main(void)
{
    const lpp_interp_perl_row_t *row = lpp_interp_perl_row(
        PERL_REVISION, PERL_VERSION);
    union { OP op; unsigned char bytes[sizeof(OP)]; } op = { { 0 } };
    unsigned place = 0;

    if (!row) {
        puts("there is no row for this version");
        return 1;
    }
    NUMBER(interp_size, sizeof(PerlInterpreter));
    PLACE(curcop, PerlInterpreter, Icurcop);
    PLACE(curstackinfo, PerlInterpreter, Icurstackinfo);
    PLACE(si_cxstack, PERL_SI, si_cxstack);
    PLACE(si_prev, PERL_SI, si_prev);
    PLACE(si_cxix, PERL_SI, si_cxix);
    PLACE(si_type, PERL_SI, si_type);
    NUMBER(si_is_sort, PERLSI_SORT);
    NUMBER(cx_size, sizeof(PERL_CONTEXT));
    PLACE(cx_oldcop, PERL_CONTEXT, BLOCK.blku_oldcop);
    PLACE(cx_retop, PERL_CONTEXT, BLOCK.blk_u.blku_sub.retop);
    check("eval's retop", offsetof(PERL_CONTEXT, BLOCK.blk_u.blku_eval.retop),
          row->cx_retop);
    PLACE(cx_cv, PERL_CONTEXT, BLOCK.blk_u.blku_sub.cv);
    PLACE(cop_line, COP, cop_line);
    PLACE(cop_file, COP, cop_file);
    NUMBER(cxt_null, CXt_NULL);
    NUMBER(cxt_sub, CXt_SUB);
    NUMBER(cxt_format, CXt_FORMAT);
    NUMBER(cxt_eval, CXt_EVAL);
    NUMBER(cxp_evalblock, CXp_EVALBLOCK);
    op.op.op_type = 0x1ff;
    while (place < sizeof(OP) && op.bytes[place] == 0) {
        place++;
    }
    NUMBER(op_type, place);
    NUMBER(op_nextstate, OP_NEXTSTATE);
    NUMBER(op_dbstate, OP_DBSTATE);
    PLACE(cv_start, XPVCV, xcv_start_u);
    PLACE(cv_gv, XPVCV, xcv_gv_u);
    PLACE(cv_flags, XPVCV, xcv_flags);
    PLACE(cv_depth, XPVCV, xcv_depth);
    NUMBER(cvf_named, CVf_NAMED);
    PLACE(gv_stash, XPVGV, xnv_u.xgv_stash);
    PLACE(gv_namehek, XPVGV, xiv_u.xivu_namehek);
    PLACE(hek_len, HEK, hek_len);
    PLACE(hek_key, HEK, hek_key);
    PLACE(hv_name, struct xpvhv_with_aux, xhv_aux.xhv_name_u);
    PLACE(hv_name_count, struct xpvhv_with_aux, xhv_aux.xhv_name_count);
#ifdef SVphv_HasAUX
    NUMBER(hv_has_aux, SVphv_HasAUX);
#else
    NUMBER(hv_has_aux, SVf_OOK);
#endif
    PLACE(sv_any, SV, sv_any);
    PLACE(sv_flags, SV, sv_flags);
    return wrong;
}
'''


def test_a_row_is_what_the_headers_say(tmp_path):
    flags = subprocess.run(['perl', '-MExtUtils::Embed', '-e', 'ccopts'],
                           check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split()
    source = tmp_path / 'rows.c'
    source.write_text(SOURCE)
    room = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..',
                                        'mod_lpprofile'))
    # -O2, so that inline functions of the headers need no libperl.
    subprocess.run(['gcc', '-O2', '-w', *flags, '-I' + room, str(source),
                    os.path.join(room, 'interp/lpp_interp_perl_rows.c'),
                    '-o', str(tmp_path / 'rows')], check=True)
    out = subprocess.run([str(tmp_path / 'rows')], text=True,
                         stdout=subprocess.PIPE)
    assert out.returncode == 0, out.stdout
