/* SPDX-License-Identifier: MIT
 *
 * The picture: gnuplot reads the files of comma-separated values by a script
 * that stays beside them, so that it can be changed and drawn again.
 */
#include "base/plot/gnuplot.h"
#include "base/timestamp.h"
#include "cli/crawl/crawl_findings.h"
#include "cli/show/say.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define WHY_LIMIT 4096
#define WORDS     240
#define PARTS     32 /* of the id space, one bar each */

/* ---- The script ---------------------------------------------------------- */

static const char *size_text(const struct crawl_report *r, char out[96])
{
    if (r->size.known)
        snprintf(out, 96, "about %.0f nodes (%.0f to %.0f)", r->size.nodes,
                 r->size.low, r->size.high);
    else
        snprintf(out, 96, "size unknown");
    return out;
}

/* The family with more nodes is drawn. */
static enum family drawn(const struct crawl_findings *f)
{
    return f->report[FAMILY_IPV6].states[CRAWL_ANSWERED] >
                   f->report[FAMILY_IPV4].states[CRAWL_ANSWERED]
               ? FAMILY_IPV6
               : FAMILY_IPV4;
}

static void write_head(struct text *out, const struct crawl_findings *f,
                       enum family family)
{
    const struct crawl_record *record = &f->walk->record;
    const struct crawl_report *r = &f->report[family];
    char title[WORDS], about[WORDS], size[96];

    snprintf(title, sizeof(title), "%s%s, %s: %s",
             record->mainline ? "The mainline DHT" : "Network ",
             record->mainline ? "" : record->network,
             crawl_family_title(family), size_text(r, size));
    snprintf(about, sizeof(about),
             "%" PRIu64 " nodes answered of %" PRIu64 " addresses, in %" PRIu64
             " s; from nodes.csv and networks.csv",
             r->states[CRAWL_ANSWERED], r->named,
             crawl_walk_time(f->walk) / TIME_S);
    gnuplot_begin(out, "crawl", 1200, 900, title, about);
    text_addf(out,
              "set datafile separator ','\n"
              "set multiplot layout 2,2 margins 0.07,0.975,0.08,0.82 "
              "spacing 0.09,0.14\n"
              "# Others count 0: what is undefined would break the lines.\n"
              "seen(x, other) = stringcolumn(1) eq '%s' && stringcolumn(5) eq "
              "'answered' ? x : other\n",
              crawl_family_key(family));
}

static void write_found(struct text *out, const struct crawl_report *r)
{
    text_add(out,
             "set title 'Who answered, over time'\n"
             "set xlabel 'seconds since the beginning'\nset ylabel 'nodes'\n"
             "set key bottom right\nset xrange [0:*]\n");
    text_addf(out, "set yrange [0:%.1f]\n",
              1.08 * (r->size.known ? r->size.high
                                    : (double)r->states[CRAWL_ANSWERED]));
    if (r->size.known)
        text_addf(out,
                  "set object 1 rectangle from graph 0, first %.1f to graph 1, "
                  "first %.1f fillcolor rgb '#cfe3cf' fillstyle solid 0.6 "
                  "noborder behind\n",
                  r->size.low,
                  r->size.high > r->size.low ? r->size.high
                                             : r->size.low + 0.5);
    text_add(out,
             "plot 'nodes.csv' skip 1 using (seen($12, 0)):(seen(1, 0)) smooth "
             "cumulative "
             "with lines lw 2 lc rgb '#0072b2' title 'answered'");
    if (r->size.known)
        text_addf(out,
                  ", %.1f with lines dt 2 lc rgb '#2f7d32' title 'estimated "
                  "size, 95 %% interval'",
                  r->size.nodes);
    text_add(out, "\nunset object 1\nunset label 1\nunset label 2\n");
}

static void write_round_trips(struct text *out, const struct crawl_report *r)
{
    bool wide = r->rtt_ms[0] > 0 && r->rtt_ms[4] > 50 * r->rtt_ms[0];

    text_addf(out,
              "set title 'Round trips'\nset xlabel 'milliseconds'\n"
              "set ylabel 'share of the nodes that answered'\nset key off\n"
              "set yrange [0:1]\n%s"
              "plot 'nodes.csv' skip 1 using (seen($6, %.3f)):(seen(1.0/%.1f, "
              "0)) smooth "
              "cumulative with lines lw 2 lc rgb '#0072b2'\n"
              "unset logscale x\n",
              wide ? "set xrange [*:*]\nset logscale x\n"
                   : "set xrange [0:*]\n",
              r->rtt_ms[0], (double)r->states[CRAWL_ANSWERED]);
}

/* The fullest part of the id space. */
static double fullest(const struct crawl *c, enum family f)
{
    unsigned counts[PARTS] = {0}, most = 0;

    for (uint32_t i = 0; i < crawl_node_count(c); i++) {
        const struct crawl_node *n = crawl_node_at(c, i);
        unsigned *count = &counts[n->id.b[0] / (256 / PARTS)];

        if (n->state == CRAWL_ANSWERED && n->ep.family == f && ++*count > most)
            most = *count;
    }
    return most;
}

/* Bars with what chance allows: mean and twice the standard deviation. Above
 * them is room for what they mean. */
static void write_ids(struct text *out, const struct crawl_findings *f,
                      enum family family)
{
    double mean = (double)f->report[family].states[CRAWL_ANSWERED] / PARTS;
    double top = fmax(fullest(f->walk->c, family), mean + 2 * sqrt(mean));

    text_addf(out,
              "set title 'Ids: nodes in each of %d parts of the id space'\n"
              "set xlabel 'part, from ids that begin with 0 to those with f'\n"
              "set ylabel 'nodes'\n"
              "set key inside top right horizontal maxrows 1\n"
              "set xrange [-0.5:%d.5]\nset yrange [0:%.1f]\n"
              "set boxwidth 0.85\nset style fill solid 0.6 noborder\n"
              "m = %.3f\n",
              PARTS, PARTS - 1, 1.2 * top, mean);
    text_addf(out,
              "part(s) = floor((strstrt('0123456789abcdef', s[1:1]) - 1) * 2 + "
              "(strstrt('0123456789abcdef', s[2:2]) - 1) / 8)\n"
              "plot 'nodes.csv' skip 1 using (seen(part(stringcolumn(4)), "
              "0)):(seen(1, 0)) smooth frequency with boxes lc rgb '%s' title "
              "'seen', m with lines lw 2 lc rgb 'black' title 'mean', "
              "m + 2 * sqrt(m) with lines dt 2 lc rgb 'black' title 'two "
              "deviations', (m > 2 * sqrt(m) ? m - 2 * sqrt(m) : 0) with lines "
              "dt 2 lc rgb 'black' notitle\n",
              gnuplot_colour(5));
}

static void write_networks(struct text *out, const struct crawl_findings *f,
                           enum family family)
{
    const struct crawl_prefixes *p = f->prefixes[family];
    bool many = p[1].count > 50;

    text_addf(out,
              "set title 'Nodes in one network, the fullest first'\n"
              "set xlabel 'rank of the network%s'\nset ylabel 'nodes in it'\n"
              "set key inside top right vertical maxrows auto\nset xrange "
              "[%s:*]\nset yrange [0:*]\n%s"
              "in(b, x) = stringcolumn(1) eq '%s' && $2 == b ? x : NaN\n"
              "plot",
              many ? " (logarithmic)" : "", many ? "1" : "0",
              many ? "set logscale x\n" : "", crawl_family_key(family));
    for (int i = 0; i < CRAWL_PREFIXES; i++)
        text_addf(out,
                  "%s 'networks.csv' skip 1 using (in(%u, $4)):5 with "
                  "linespoints pt 7 ps 0.4 lc rgb '%s' title '/%u'",
                  i > 0 ? "," : "", p[i].bits, gnuplot_colour((size_t)i),
                  p[i].bits);
    text_add(out, "\nunset multiplot\n");
}

enum exit_code crawl_plot_check(void)
{
    enum exit_code code = EXIT_DONE;
    struct text why;

    text_init(&why, WHY_LIMIT);
    if (gnuplot_check(&why) != OK)
        code = cli_fail(EXIT_TROUBLE, "%s", text_get(&why));
    text_deinit(&why);
    return code;
}

static enum exit_code draw(const struct crawl_findings *f,
                           const char *directory)
{
    enum family family = drawn(f);
    enum exit_code code = EXIT_DONE;
    struct text script, why;

    text_init(&script, GNUPLOT_SCRIPT_MAX);
    text_init(&why, WHY_LIMIT);
    write_head(&script, f, family);
    write_found(&script, &f->report[family]);
    write_round_trips(&script, &f->report[family]);
    write_ids(&script, f, family);
    write_networks(&script, f, family);
    if (gnuplot_draw(&script, directory, "crawl", &why) != OK)
        code = cli_fail(EXIT_TROUBLE, "%s", text_get(&why));
    text_deinit(&why);
    text_deinit(&script);
    return code;
}

enum exit_code crawl_plot(const struct crawl_findings *f, const char *directory)
{
    enum exit_code code = crawl_write_csv(f, directory);

    if (code == EXIT_DONE && !crawl_found_any(f))
        return cli_fail(EXIT_UNANSWERED,
                        "nobody has answered: there is nothing to draw");
    return code == EXIT_DONE ? draw(f, directory) : code;
}
