/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_perl_rows: see lpp_interp_perl_rows_internal.h. */
#include "interp/lpp_interp_perl_rows_internal.h"

static const lpp_interp_perl_row_t rows[] = {
    /* libperl-dev 5.36.0-7+deb12u4 */
    { .revision = 5, .version = 36, .interp_size = 3768,
      .curcop = 208, .curstackinfo = 224,
      .si_cxstack = 8, .si_prev = 16, .si_cxix = 32,
      .si_type = 44, .si_is_sort = 3,
      .cx_size = 104, .cx_oldcop = 16, .cx_retop = 48, .cx_cv = 72,
      .cop_line = 36, .cop_file = 48,
      .cxt_null = 0, .cxt_sub = 9, .cxt_format = 10, .cxt_eval = 11,
      .cxp_evalblock = 0x40, .op_type = 32, .op_nextstate = 195,
      .op_dbstate = 196,
      .cv_start = 40, .cv_gv = 56, .cv_flags = 92,
      .cv_depth = 96, .cvf_named = 0x8000,
      .gv_stash = 40, .gv_namehek = 32, .hek_len = 4, .hek_key = 8,
      .hv_name = 32, .hv_name_count = 60, .hv_has_aux = 0x02000000,
      .sv_any = 0, .sv_flags = 12 },
    /* libperl-dev 5.40.1-6+deb13u1 */
    { .revision = 5, .version = 40, .interp_size = 3768,
      .curcop = 208, .curstackinfo = 224,
      .si_cxstack = 8, .si_prev = 16, .si_cxix = 32,
      .si_type = 44, .si_is_sort = 3,
      .cx_size = 104, .cx_oldcop = 16, .cx_retop = 48, .cx_cv = 72,
      .cop_line = 36, .cop_file = 48,
      .cxt_null = 0, .cxt_sub = 9, .cxt_format = 10, .cxt_eval = 11,
      .cxp_evalblock = 0x40, .op_type = 32, .op_nextstate = 198,
      .op_dbstate = 199,
      .cv_start = 40, .cv_gv = 56, .cv_flags = 92,
      .cv_depth = 96, .cvf_named = 0x8000,
      .gv_stash = 40, .gv_namehek = 32, .hek_len = 4, .hek_key = 8,
      .hv_name = 32, .hv_name_count = 60, .hv_has_aux = 0x02000000,
      .sv_any = 0, .sv_flags = 12 }
};

const lpp_interp_perl_row_t *lpp_interp_perl_row(unsigned revision,
                                                 unsigned version)
{
    unsigned i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].revision == revision && rows[i].version == version) {
            return &rows[i];
        }
    }
    return (const lpp_interp_perl_row_t *)0;
}
