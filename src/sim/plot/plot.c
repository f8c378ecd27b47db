/* SPDX-License-Identifier: MIT */
#include "sim/plot/plot.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WIDTH  1000
#define HEIGHT 600

/* Beside the plot, as wide as its longest name. */
void plot_legend(struct plot *p, const char *title, size_t longest)
{
    size_t chars = strlen(title) > longest ? strlen(title) : longest;
    double right = 1 - (60 + 8 * (double)chars) / WIDTH;

    text_addf(&p->script,
              "set rmargin screen %.3f\n"
              "set key at screen %.3f,0.86 left top Left reverse samplen 1.5 "
              "spacing 1.3 title ",
              right, right + 0.015);
    gnuplot_add_string(&p->script, title);
    text_add(&p->script, " left\n");
}

static void curve_name(const struct plot *p, size_t i, struct text *out)
{
    const struct report *r = p->report;

    text_init(out, PLOT_NAME_MAX);
    for (size_t key = 0; key < r->sweeps; key++)
        text_addf(out, "%s%s", key > 0 ? ", " : "",
                  r->runs[p->points[i].first].value[key]);
}

static void set_legend(struct plot *p)
{
    struct text name;
    size_t longest = 0;

    for (size_t i = 0; i < p->count; i++) {
        curve_name(p, i, &name);
        longest = name.len > longest ? name.len : longest;
        text_deinit(&name);
    }
    text_init(&name, PLOT_NAME_MAX);
    for (size_t key = 0; key < p->report->sweeps; key++)
        text_addf(&name, "%s%s", key > 0 ? ", " : "", p->report->sweep[key]);
    plot_legend(p, text_get(&name), longest);
    text_deinit(&name);
}

void plot_begin(struct plot *p, const char *kind, const char *name,
                const char *title, const char *note)
{
    char about[320];

    text_clear(&p->script);
    snprintf(about, sizeof(about), "%s%s", p->about, note);
    snprintf(p->name, sizeof(p->name), "%s_%s", kind, name);
    gnuplot_begin(&p->script, p->name, WIDTH, HEIGHT, title, about);
    if (p->count > 1)
        set_legend(p);
}

void plot_end(struct plot *p)
{
    if (p->error == OK)
        p->error = gnuplot_draw(&p->script, p->dir, p->name, p->why);
}

void plot_axis(struct plot *p, char axis, const char *title, const char *unit)
{
    char label[200];

    if (unit[0] == '\0')
        snprintf(label, sizeof(label), "%s", title);
    else
        snprintf(label, sizeof(label), "%s (%s)", title, unit);
    text_addf(&p->script, "set %clabel ", axis);
    gnuplot_add_string(&p->script, label);
    text_add(&p->script, " textcolor '#303030'\n");
}

const char *plot_title(enum measure what, char out[128])
{
    snprintf(out, 128, "%s", measure_rows[what].title);
    out[0] = (char)toupper((unsigned char)out[0]);
    return out;
}

static const char *colour(const struct plot *p, size_t i)
{
    return gnuplot_colour_in_order(i, p->count);
}

void plot_curve_style(struct plot *p, size_t i, bool narrower)
{
    struct text name;

    curve_name(p, i, &name);
    text_addf(&p->script, " linecolor '%s' linewidth %.1f", colour(p, i),
              narrower ? 2 + 3.0 / (double)p->count * (double)(p->count - 1 - i)
                       : 2.0);
    if (p->count > 1) {
        text_add(&p->script, " title ");
        gnuplot_add_string(&p->script, text_get(&name));
    } else {
        text_add(&p->script, " notitle");
    }
    text_deinit(&name);
}

void plot_band_style(struct plot *p, size_t i)
{
    text_addf(&p->script,
              " fillcolor '%s' fillstyle transparent solid 0.15 notitle",
              colour(p, i));
}

bool plot_has_bands(const struct plot *p)
{
    bool repeated = p->count <= 3;

    /* Those of two repetitions reach from edge to edge. */
    for (size_t i = 0; i < p->count; i++)
        repeated &= p->points[i].end - p->points[i].first > 2;
    return repeated;
}

const char *plot_note(const struct plot *p, bool bands, char out[80])
{
    size_t points = report_points(p->report);

    out[0] = '\0';
    if (points > p->count)
        snprintf(out, 80, "; %zu of %zu points are shown", p->count, points);
    else if (bands && plot_has_bands(p))
        snprintf(out, 80, "; bands: the mean's 95 %% interval");
    return out;
}

void plot_share_axis(struct plot *p, double least, double most)
{
    static const double floors[] = {0.9, 0.8, 0.7, 0.5, 0};
    size_t i = 0;

    if (most <= 0.5) {
        text_addf(&p->script, "set yrange [0:%.6g]\n",
                  most > 0 ? 110 * most : 1);
        return;
    }
    while (floors[i] > 0 && floors[i] > least)
        i++;
    text_addf(&p->script, "set yrange [%.6g:%.6g]\n", 100 * floors[i],
              100 + (1 - floors[i]));
}
