/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the shares of wall time: CPU, ready, blocked, as figures, cells,
 * words and bars. What they are called depends on what is known of ready time:
 * where the kernel does not count it, no share of it is shown.
 */
#include "report/lpp_report_internal.h"

#define BAR_WIDTH 64

/* The same of any unit. */
static unsigned make_shares(lpp_share_t shares[LPP_SHARES_MAX], int ready,
                            apr_uint64_t wall, apr_uint64_t cpu,
                            apr_uint64_t ready_time)
{
    apr_uint64_t rest = wall > cpu ? wall - cpu : 0;
    lpp_share_t made[LPP_SHARES_MAX] = {
        {"CPU", "CPU", "cpu", cpu},
        {"Ready", "ready", "ready", ready_time < rest ? ready_time : rest},
        {"Blocked", "blocked", "wait", 0}
    };
    unsigned i, count = 0;

    made[2].time = rest - made[1].time;
    if (ready == LPP_READY_SEEN) {
        made[0].name = made[0].word = "CPU, or waiting for one";
        made[0].time += made[1].time;
    }
    else if (ready == LPP_READY_UNKNOWN) {
        made[2].name = "Waiting";
        made[2].word = "waiting";
        made[2].time = rest;
    }
    for (i = 0; i < LPP_SHARES_MAX; i++) {
        if (i != 1 || ready == LPP_READY_EXACT) {
            shares[count++] = made[i];
        }
    }
    return count;
}

unsigned lpp_cost_shares(lpp_share_t shares[LPP_SHARES_MAX], int ready,
                         const lpp_cost_t *cost)
{
    return make_shares(shares, ready, cost->wall_us, cost->cpu_us,
                       cost->ready_us);
}

void lpp_page_figure(lpp_page_t *page, const char *name, const char *key,
                     apr_uint64_t us)
{
    lpp_page_rawf(page, "<span class=\"figure\"><span class=\"key %s\">%s"
                  "</span> <b>", key, name);
    lpp_page_time(page, us);
    lpp_page_raw(page, "</b></span>\n");
}

void lpp_page_figures(lpp_page_t *page, int ready, const lpp_cost_t *total)
{
    lpp_share_t shares[LPP_SHARES_MAX];
    unsigned i, count = lpp_cost_shares(shares, ready, total);

    lpp_page_figure(page, "Total", "total", total->wall_us);
    for (i = 0; i < count; i++) {
        lpp_page_figure(page, shares[i].name, shares[i].key, shares[i].time);
    }
    lpp_page_rawf(page, "<span class=\"figure\"><span class=\"key\">"
                  "Samples</span> <b>%" APR_UINT64_T_FMT "</b></span>\n",
                  total->samples);
}

/* Percents are rounded so that their sum is 100: the sum of the shares up to
 * each is rounded, and the one before is subtracted. */
void lpp_page_shares_percent(lpp_page_t *page, int ready,
                             const lpp_cost_t *cost)
{
    lpp_share_t shares[LPP_SHARES_MAX];
    unsigned i, count = lpp_cost_shares(shares, ready, cost);
    apr_uint64_t sum = 0;
    int before = 0;

    for (i = 0; i < count; i++) {
        int upto;

        sum += shares[i].time;
        upto = (int)(lpp_page_percent(sum, cost->wall_us) + 0.5);
        lpp_page_rawf(page, "%s%d&#160;%% %s", i == 0 ? ""
                      : ready == LPP_READY_SEEN ? "; " : ", ", upto - before,
                      shares[i].word);
        before = upto;
    }
}

void lpp_page_shares_words(lpp_page_t *page, int ready,
                           const lpp_cost_t *cost)
{
    lpp_share_t shares[LPP_SHARES_MAX];
    unsigned i, count = lpp_cost_shares(shares, ready, cost);

    for (i = 0; i < count; i++) {
        lpp_page_rawf(page, i == 0 ? "%s " : "; %s ", shares[i].word);
        lpp_page_time(page, shares[i].time);
    }
}

void lpp_page_shares_heads(lpp_page_t *page, int ready)
{
    lpp_share_t shares[LPP_SHARES_MAX];
    unsigned i, count = make_shares(shares, ready, 0, 0, 0);

    for (i = 0; i < count; i++) {
        lpp_page_rawf(page, "<th class=\"n\">%s</th>", shares[i].name);
    }
}

void lpp_page_shares_cells(lpp_page_t *page, int ready, apr_uint64_t wall_ns,
                           apr_uint64_t cpu_ns, apr_uint64_t ready_ns)
{
    lpp_share_t shares[LPP_SHARES_MAX];
    unsigned i, count = make_shares(shares, ready, wall_ns, cpu_ns,
                                    ready_ns);

    for (i = 0; i < count; i++) {
        /* a narrow page writes the word before the cell */
        lpp_page_rawf(page, shares[i].time
                          ? "<td class=\"n of %s\" data-of=\"%s\">"
                          : "<td class=\"n zero of %s\" data-of=\"%s\">",
                      shares[i].key, shares[i].word);
        if (shares[i].time) {
            lpp_page_ns(page, shares[i].time);
        }
        else {
            lpp_page_raw(page, "0");
        }
        lpp_page_raw(page, "</td>");
    }
}

/* Its width is an attribute, since a CSP may forbid a style. */
void lpp_page_bar(lpp_page_t *page, int ready, const lpp_cost_t *cost,
                  const lpp_cost_t *whole)
{
    static const char *const fills[] = {"#d9663b", "#e5b64a", "#7aa7d9"};
    lpp_share_t shares[LPP_SHARES_MAX];
    unsigned i, count = lpp_cost_shares(shares, ready, cost);
    apr_uint64_t left = 0;

    lpp_page_rawf(page, "<svg class=\"bar\" "
                  "xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
                  "height=\"10\" aria-hidden=\"true\">", BAR_WIDTH);
    lpp_page_raw(page, "<rect class=\"track\" width=\"100%\" "
                       "height=\"10\" fill=\"#8884\" />");
    for (i = 0; i < count; i++) {
        if (shares[i].time) {
            lpp_page_rawf(page, "<rect class=\"%s\" x=\"%.1f%%\" "
                          "width=\"%.1f%%\" height=\"10\" "
                          "fill=\"%s\" />", shares[i].key,
                          lpp_page_percent(left, whole->wall_us),
                          lpp_page_percent(shares[i].time, whole->wall_us),
                          i + 1 == count ? fills[2] : fills[i]);
        }
        left += shares[i].time;
    }
    lpp_page_raw(page, "</svg>");
}

void lpp_page_shares_key(lpp_page_t *page, int ready)
{
    lpp_share_t shares[LPP_SHARES_MAX];
    unsigned i, count = make_shares(shares, ready, 0, 0, 0);

    for (i = 0; i < count; i++) {
        lpp_page_rawf(page, "%s<span class=\"key %s\">%s</span>",
                      i == 0 ? "" : i + 1 == count ? " and " : ", ",
                      shares[i].key, shares[i].word);
    }
    if (ready == LPP_READY_EXACT) {
        lpp_page_raw(page, " (ready: it wanted a processor and did not get "
                           "one)");
    }
}
