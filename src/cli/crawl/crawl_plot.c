/* SPDX-License-Identifier: MIT
 *
 * The picture: gnuplot reads the files of comma-separated values by a script
 * that stays beside them, so that it can be changed and drawn again.
 */
#include "base/timestamp.h"
#include "cli/crawl/crawl_findings.h"
#include "cli/show/say.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define PARTS     32 /* of the id space, one bar each */

/* ---- gnuplot ------------------------------------------------------------- */

static bool is_there(const char *directory, size_t len)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%.*s/gnuplot", (int)len, directory);
    return access(path, X_OK) == 0;
}

enum exit_code crawl_plot_check(void)
{
    const char *at = getenv("PATH");

    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ":");

        if (len > 0 && is_there(at, len))
            return EXIT_DONE;
        at += len + (at[len] == ':');
    }
    return cli_fail(EXIT_TROUBLE,
                    "--plot wants gnuplot, which is not installed here: `apt "
                    "install gnuplot-nox`, or take --csv DIR and draw "
                    "elsewhere");
}

static enum exit_code run(const char *directory)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        if (chdir(directory) == 0)
            execlp("gnuplot", "gnuplot", "crawl.gp", (char *)NULL);
        _exit(127);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EXIT_DONE;
    return cli_fail(EXIT_TROUBLE,
                    "gnuplot has failed to draw %s/crawl.gp; what it says is "
                    "above",
                    directory);
}

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

static void write_head(FILE *out, const struct crawl_findings *f,
                       enum family family)
{
    const struct crawl_report *r = &f->report[family];
    char size[96];

    fprintf(out,
            "# gnuplot crawl.gp draws crawl.png from nodes.csv, networks.csv\n"
            "set terminal pngcairo size 1200,900 noenhanced font 'Sans,11'\n"
            "set output 'crawl.png'\n"
            "set datafile separator ','\n"
            "set multiplot layout 2,2 title 'Network %s, %s: %s; %" PRIu64
            " seen of %" PRIu64 " addresses, %" PRIu64 " s' font ',14'\n"
            "set grid\nset border 3\nset tics nomirror\n"
            "# Others count 0: what is undefined would break the lines.\n"
            "seen(x, other) = stringcolumn(1) eq '%s' && stringcolumn(5) eq "
            "'answered' ? x : other\n",
            f->walk->record.network, crawl_family_title(family),
            size_text(r, size), r->states[CRAWL_ANSWERED], r->named,
            crawl_walk_time(f->walk) / TIME_S, crawl_family_key(family));
}

static void write_found(FILE *out, const struct crawl_report *r)
{
    fputs("set title 'Who answered, over time'\n"
          "set xlabel 'seconds since the beginning'\nset ylabel 'nodes'\n"
          "set key bottom right\nset xrange [0:*]\n",
          out);
    fprintf(out, "set yrange [0:%.1f]\n",
            1.08 * (r->size.known ? r->size.high
                                  : (double)r->states[CRAWL_ANSWERED]));
    if (r->size.known)
        fprintf(out,
                "set object 1 rectangle from graph 0, first %.1f to graph 1, "
                "first %.1f fillcolor rgb '#cfe3cf' fillstyle solid 0.6 "
                "noborder behind\n",
                r->size.low,
                r->size.high > r->size.low ? r->size.high : r->size.low + 0.5);
    fputs("plot 'nodes.csv' skip 1 using (seen($12, 0)):(seen(1, 0)) smooth "
          "cumulative "
          "with lines lw 2 title 'answered'",
          out);
    if (r->size.known)
        fprintf(out,
                ", %.1f with lines dt 2 lc rgb '#2f7d32' title 'estimated "
                "size, 95 %% interval'",
                r->size.nodes);
    fputs("\nunset object 1\n", out);
}

static void write_round_trips(FILE *out, const struct crawl_report *r)
{
    bool wide = r->rtt_ms[0] > 0 && r->rtt_ms[4] > 50 * r->rtt_ms[0];

    fprintf(out,
            "set title 'Round trips'\nset xlabel 'milliseconds'\n"
            "set ylabel 'share of the nodes that answered'\nset key off\n"
            "set yrange [0:1]\n%s"
            "plot 'nodes.csv' skip 1 using (seen($6, %.3f)):(seen(1.0/%.1f, "
            "0)) smooth "
            "cumulative with lines lw 2\n"
            "unset logscale x\n",
            wide ? "set xrange [*:*]\nset logscale x\n" : "set xrange [0:*]\n",
            r->rtt_ms[0], (double)r->states[CRAWL_ANSWERED]);
}

/* Bars with what chance allows: mean and twice the standard deviation. */
static void write_ids(FILE *out, const struct crawl_report *r)
{
    double mean = (double)r->states[CRAWL_ANSWERED] / PARTS;

    fprintf(out,
            "set title 'Ids: nodes in each of %d parts of the id space'\n"
            "set xlabel 'part, from ids that begin with 0 to those with f'\n"
            "set ylabel 'nodes'\nset key above horizontal maxrows 1\nset "
            "xrange [-0.5:%d.5]\nset "
            "yrange [0:*]\n"
            "set boxwidth 0.85\nset style fill solid 0.5\n"
            "m = %.3f\n"
            "part(s) = floor((strstrt('0123456789abcdef', s[1:1]) - 1) * 2 + "
            "(strstrt('0123456789abcdef', s[2:2]) - 1) / 8)\n"
            "plot 'nodes.csv' skip 1 using (seen(part(stringcolumn(4)), "
            "0)):(seen(1, 0)) "
            "smooth frequency with boxes title 'seen', m with lines lw 2 lc "
            "rgb 'black' title 'mean', m + 2 * sqrt(m) with lines dt 2 lc rgb "
            "'black' title 'two deviations', (m > 2 * sqrt(m) ? m - "
            "2 * sqrt(m) : 0) with lines dt 2 lc rgb 'black' notitle\n",
            PARTS, PARTS - 1, mean);
}

static void write_networks(FILE *out, const struct crawl_findings *f,
                           enum family family)
{
    const struct crawl_prefixes *p = f->prefixes[family];
    bool many = p[1].count > 50;

    fprintf(out,
            "set title 'Nodes in one network, the fullest first'\n"
            "set xlabel 'rank of the network%s'\nset ylabel 'nodes in it'\n"
            "set key inside top right vertical maxrows auto\nset xrange "
            "[%s:*]\nset yrange [0:*]\n%s"
            "in(b, x) = stringcolumn(1) eq '%s' && $2 == b ? x : NaN\n"
            "plot",
            many ? " (logarithmic)" : "", many ? "1" : "0",
            many ? "set logscale x\n" : "", crawl_family_key(family));
    for (int i = 0; i < CRAWL_PREFIXES; i++)
        fprintf(out,
                "%s 'networks.csv' skip 1 using (in(%u, $4)):5 with "
                "linespoints pt 7 ps 0.4 title '/%u'",
                i > 0 ? "," : "", p[i].bits, p[i].bits);
    fputs("\nunset multiplot\n", out);
}

static enum exit_code write_script(const struct crawl_findings *f,
                                   const char *directory)
{
    enum family family = drawn(f);
    char path[PATH_SIZE];
    FILE *out;

    snprintf(path, sizeof(path), "%s/crawl.gp", directory);
    out = fopen(path, "w");
    if (out == NULL)
        return cli_fail(EXIT_TROUBLE, "%s cannot be written: %s", path,
                        strerror(errno));
    write_head(out, f, family);
    write_found(out, &f->report[family]);
    write_round_trips(out, &f->report[family]);
    write_ids(out, &f->report[family]);
    write_networks(out, f, family);
    if (fclose(out) != 0)
        return cli_fail(EXIT_TROUBLE, "%s cannot be written: %s", path,
                        strerror(errno));
    return EXIT_DONE;
}

enum exit_code crawl_plot(const struct crawl_findings *f, const char *directory)
{
    enum exit_code code = crawl_write_csv(f, directory);

    if (code == EXIT_DONE && !crawl_found_any(f))
        return cli_fail(EXIT_UNANSWERED,
                        "nobody has answered: there is nothing to draw");
    if (code == EXIT_DONE)
        code = write_script(f, directory);
    return code == EXIT_DONE ? run(directory) : code;
}
