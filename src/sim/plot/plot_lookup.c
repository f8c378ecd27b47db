/* SPDX-License-Identifier: MIT
 *
 * One lookup, twice. Left the ring of ids, turned so that the target is at its
 * top, with who was asked where its id is: one sees how the first answers come
 * from all over and the later ones from the target's side. There all later
 * hops lie on each other; so right it is drawn as distance (bits in common
 * with the target) against time, a line from the question to its end, where
 * nothing hides anything.
 */
#include "sim/plot/plot.h"

#include <inttypes.h>
#include <stdio.h>

#define WIDTH  1200
#define HEIGHT 600
#define HOPS   5 /* with a colour of their own; the last one is "and more" */
#define NS     1000000000.0

/* Where an id is on the ring, from the target on: 0 to 1. */
static double place_of(const struct id *target, const struct id *id)
{
    uint64_t from = bytes_get_number(target->b, 8);
    uint64_t to = bytes_get_number(id->b, 8);

    return (double)((to - from) >> 11) / 9007199254740992.0;
}

/* The bits that an id has in common with the target and, between two whole
 * numbers, how small the next ones of their distance are: nodes at different
 * distances have different places. */
static double closeness(const struct id *target, const struct id *id)
{
    int bits = id_common_bits(target, id);
    double rest = 0, bit = 1;

    for (int i = bits; i < ID_BITS && i < bits + 16; i++) {
        if (id_bit(target, i) != id_bit(id, i))
            rest += bit;
        bit /= 2;
    }
    /* `rest` is from 1 to 2, the farthest of those bits. */
    return bits + (bits == ID_BITS ? 0 : 2 - rest);
}

static unsigned hop_of(const struct trace_step *s)
{
    return s->hop < 1 ? 1 : s->hop < HOPS ? s->hop : HOPS;
}

/* Steps of a lookup with that hop (0: all) and outcome (-1: all). */
static size_t add_steps(struct plot *p, uint32_t lookup, const char *name,
                        unsigned hop, int outcome, bool hostile)
{
    const struct trace_log *log = p->report->traces;
    size_t rows = 0;

    text_addf(&p->script, "$%s << EOD\n", name);
    for (size_t i = 0; i < log->count; i++) {
        const struct trace_step *s = &log->steps[i];

        if (s->lookup != lookup || (hop > 0 && hop_of(s) != hop) ||
            (outcome >= 0 && s->outcome != (enum trace_outcome)outcome) ||
            (hostile && !s->hostile))
            continue;
        rows++;
        text_addf(
            &p->script, "%.6g %.6g %.3f %.6f %.6f\n", (double)s->asked_at / NS,
            (double)s->took / NS, closeness(&s->target, &s->asked),
            place_of(&s->target, &s->asked), place_of(&s->target, &s->asker));
    }
    if (rows == 0)
        text_add(&p->script, "NaN NaN NaN NaN NaN\n");
    text_add(&p->script, "EOD\n");
    return rows;
}

static const struct {
    const char *name, *title, *style;
} outcomes[] = {
    [TRACE_ANSWERED] = {"answered", "answered", "pointtype 7 pointsize 1.1"},
    [TRACE_VALUES] = {"values", "answered with values",
                      "pointtype 5 pointsize 1.5"},
    [TRACE_TIMEOUT] = {"timeout", "no answer in time",
                       "pointtype 2 pointsize 1.3 linewidth 2"},
    [TRACE_DISTRUSTED] = {"distrusted", "answer not trusted",
                          "pointtype 9 pointsize 1.4"},
};

static const char hostile_style[] =
    "pointtype 6 pointsize 2.6 linewidth 2 linecolor '#d55e00'";

#define OUTCOMES (sizeof(outcomes) / sizeof(outcomes[0]))

struct drawn {
    bool hop[HOPS + 1], outcome[OUTCOMES], hostile;
    int least_bits, most_bits;
    double end;   /* seconds */
    double asker; /* its place on the ring */
};

/* Far apart where hops are few. */
static const char *hop_colour(const struct drawn *d, unsigned hop)
{
    unsigned most = 3;

    for (unsigned i = most + 1; i <= HOPS; i++)
        most = d->hop[i] ? i : most;
    return gnuplot_colour_in_order(hop - 1, most);
}

static void add_blocks(struct plot *p, uint32_t lookup, struct drawn *d)
{
    const struct trace_log *log = p->report->traces;
    char name[32];

    for (unsigned hop = 1; hop <= HOPS; hop++) {
        snprintf(name, sizeof(name), "hop%u", hop);
        d->hop[hop] = add_steps(p, lookup, name, hop, -1, false) > 0;
    }
    for (size_t i = 0; i < OUTCOMES; i++)
        d->outcome[i] =
            add_steps(p, lookup, outcomes[i].name, 0, (int)i, false) > 0;
    d->hostile = add_steps(p, lookup, "hostile", 0, -1, true) > 0;
    add_steps(p, lookup, "all", 0, -1, false);
    for (size_t i = 0; i < log->count; i++) {
        const struct trace_step *s = &log->steps[i];
        int bits = id_common_bits(&s->target, &s->asked);
        double end = (double)(s->asked_at + s->took) / NS;

        if (s->lookup != lookup)
            continue;
        d->most_bits = bits > d->most_bits ? bits : d->most_bits;
        d->least_bits = bits < d->least_bits ? bits : d->least_bits;
        d->end = end > d->end ? end : d->end;
        d->asker = place_of(&s->target, &s->asker);
    }
}

static void plot_ring(struct plot *p, const struct drawn *d)
{
    const char *sep = ", \\\n ";

    text_add(&p->script,
             "set lmargin screen 0.02\nset rmargin screen 0.42\n"
             "set tmargin screen 0.84\nset bmargin screen 0.06\n"
             "unset border\nunset tics\nunset grid\nunset key\n"
             "set size ratio -1\n"
             "set xrange [-1.25:1.25]\nset yrange [-1.25:1.25]\n"
             "set parametric\nset trange [0:2*pi]\n"
             "set label 3 'target' at 0,1.17 center\n"
             "set label 4 'where the ids are' at screen 0.22,0.03 center "
             "textcolor '#303030'\n"
             "x(f) = sin(2*pi*f)\ny(f) = cos(2*pi*f)\n");
    text_addf(&p->script,
              "set label 5 'who asks' at 0.86*x(%.6f),0.86*y(%.6f) %s\n",
              d->asker, d->asker, d->asker < 0.5 ? "right" : "left");
    text_add(&p->script,
             "plot cos(t), sin(t) with lines linecolor '#b0b0b0' linewidth 1 "
             "notitle");
    for (unsigned hop = 1; hop <= HOPS; hop++) {
        if (!d->hop[hop])
            continue;
        text_addf(&p->script,
                  "%s$hop%u using (x($5)):(y($5)):(x($4)-x($5)):(y($4)-y($5)) "
                  "with vectors nohead linecolor '%s' linewidth 0.7 notitle",
                  sep, hop, hop_colour(d, hop));
        text_addf(&p->script,
                  "%s$hop%u using (x($4)):(y($4)) with points pointtype 7 "
                  "pointsize 1 linecolor '%s' notitle",
                  sep, hop, hop_colour(d, hop));
    }
    if (d->outcome[TRACE_TIMEOUT])
        text_addf(&p->script,
                  "%s$timeout using (x($4)):(y($4)) with points %s linecolor "
                  "'#303030' notitle",
                  sep, outcomes[TRACE_TIMEOUT].style);
    if (d->hostile)
        text_addf(&p->script,
                  "%s$hostile using (x($4)):(y($4)) with points %s notitle",
                  sep, hostile_style);
    text_addf(&p->script,
              "%s$all using (x($5)):(y($5)) every ::0::0 with points "
              "pointtype 13 pointsize 2 linecolor '#000000' notitle"
              "%s'+' using (0):(1) every ::0::0 with points pointtype 1 "
              "pointsize 2.4 linewidth 2 linecolor '#d55e00' notitle\n",
              sep, sep);
    text_add(&p->script,
             "unset label 3\nunset label 4\nunset label 5\nunset parametric\n");
}

static void plot_distance(struct plot *p, const struct drawn *d)
{
    struct figure time = {.what = M_LOOKUP_TIME, .kind = FIGURE_MEDIAN};
    struct scale s = scale_of(&time, d->end);
    const char *sep = "plot ";

    text_add(&p->script,
             "set lmargin screen 0.49\nset rmargin screen 0.80\n"
             "set tmargin screen 0.84\nset bmargin screen 0.12\n"
             "set size noratio\nset border 3\nset tics\nset grid\n"
             "set xtics nomirror autofreq\nset ytics nomirror autofreq\n"
             "set key at screen 0.815,0.82 left top Left reverse samplen 1.2 "
             "spacing 1.3 title '' left\n");
    plot_axis(p, 'x', "time since the lookup began", s.unit);
    plot_axis(p, 'y', "closeness to the target (bits in common)", "");
    text_addf(&p->script, "set xrange [0:%.6g]\nset yrange [%.1f:%d]\n",
              1.05 * d->end * s.factor, d->least_bits - 0.7, d->most_bits + 2);
    for (unsigned hop = 1; hop <= HOPS; hop++) {
        if (!d->hop[hop])
            continue;
        text_addf(&p->script,
                  "%s$hop%u using ($1*%g):3:($2*%g):(0) with vectors nohead "
                  "linecolor '%s' linewidth 3 title 'hop %u%s'",
                  sep, hop, s.factor, s.factor, hop_colour(d, hop), hop,
                  hop == HOPS ? " and more" : "");
        sep = ", \\\n ";
    }
    for (size_t i = 0; i < OUTCOMES; i++) {
        if (d->outcome[i])
            text_addf(&p->script,
                      "%s$%s using (($1+$2)*%g):3 with points %s linecolor "
                      "'#303030' title '%s'",
                      sep, outcomes[i].name, s.factor, outcomes[i].style,
                      outcomes[i].title);
    }
    if (d->hostile)
        text_addf(&p->script,
                  "%s$hostile using (($1+$2)*%g):3 with points %s title "
                  "'hostile'",
                  sep, s.factor, hostile_style);
    text_add(&p->script, "\n");
}

/* Of the one run that it is of. */
static void say_about(const struct plot *p, char *about, size_t size)
{
    const struct report *r = p->report;
    struct text t;

    text_init(&t, size - 1);
    text_addf(&t, "%.60s, seed %" PRIu64, r->title, r->runs[0].seed);
    for (size_t key = 0; key < r->sweeps; key++)
        text_addf(&t, ", %s %s", r->sweep[key], r->runs[0].value[key]);
    text_addf(&t, ", settings %.*s", REPORT_SHORT_HASH, r->hash);
    snprintf(about, size, "%s", text_get(&t));
    text_deinit(&t);
}

void plot_lookup(struct plot *p, uint32_t lookup)
{
    const struct trace_log *log = p->report->traces;
    char title[128], about[240], target[ID_TEXT_SIZE];
    struct drawn d = {.least_bits = ID_BITS};
    const struct id *of = NULL;

    for (size_t i = 0; log != NULL && i < log->count && of == NULL; i++) {
        if (log->steps[i].lookup == lookup)
            of = &log->steps[i].target;
    }
    if (of == NULL)
        return;
    snprintf(title, sizeof(title), "A lookup of %s", id_print(of, target));
    snprintf(p->name, sizeof(p->name), "lookup_%" PRIu32, lookup);
    say_about(p, about, sizeof(about));
    text_clear(&p->script);
    gnuplot_begin(&p->script, p->name, WIDTH, HEIGHT, title, about);
    add_blocks(p, lookup, &d);
    text_add(&p->script, "set multiplot\n");
    plot_ring(p, &d);
    text_add(&p->script, "unset label 1\nunset label 2\n");
    plot_distance(p, &d);
    text_add(&p->script, "unset multiplot\n");
    plot_end(p);
}
