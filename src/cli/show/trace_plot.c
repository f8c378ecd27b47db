/* SPDX-License-Identifier: MIT
 *
 * A grid of cells, each with the sign that is to be seen there: lines first,
 * from when a node was asked to when it answered, then the marks over them.
 * Nearer to the target is lower.
 */
#include "cli/show/trace_plot.h"

#include "base/bytes.h"
#include "cli/show/screen.h"
#include "node/control/reply.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WIDTH_MAX 100
#define ROWS_MAX  20 /* beyond, several bits share a row */
#define LEFT      13 /* characters before the grid */
#define TICKS_MAX 6
#define ID_BITS   160

enum sign { BLANK, LINE, MARKS };

static const char *const ascii[] = {" ", "-", "o", "*", "x", "e", "!"};
static const char *const beyond[] = {" ",      "\u2500", "\u25cf", "\u25c6",
                                     "\u00d7", "e",      "!"};

static const char *const meanings[TRACE_MARKS] = {
    "answered", "found it", "silent (when asked)", "error", "distrusted"};

struct grid {
    size_t width, height;
    int first, step; /* bits of the uppermost row, and from row to row */
    double scale;    /* columns a ms */
    uint8_t cells[ROWS_MAX][WIDTH_MAX];
};

/* ---- Steps --------------------------------------------------------------- */

static enum trace_mark mark_of(struct mp_reader step)
{
    struct bytes outcome = reply_bytes(step, "outcome");

    if (bytes_is_text(outcome, "answered"))
        return reply_uint(step, "values") > 0 ? TRACE_FOUND : TRACE_ANSWERED;
    if (bytes_is_text(outcome, "timeout"))
        return TRACE_SILENT;
    return bytes_is_text(outcome, "distrusted") ? TRACE_DISTRUSTED
                                                : TRACE_FAILED;
}

void trace_plot_add(struct trace_plot *p, struct mp_reader step)
{
    double bits = reply_double(step, "bits");
    double asked = reply_double(step, "at"), rtt = reply_double(step, "rtt");

    if (p->count == TRACE_PLOT_MAX)
        return;
    asked = asked > 0 ? asked : 0;
    p->steps[p->count].asked = asked;
    p->steps[p->count].ended = rtt > 0 ? asked + rtt : asked;
    p->steps[p->count].bits = bits < 0 ? 0 : (int)fmin(bits, ID_BITS);
    p->steps[p->count].mark = mark_of(step);
    p->count++;
}

/* ---- The grid ------------------------------------------------------------ */

static double latest(const struct trace_plot *p)
{
    double most = 0;

    for (size_t i = 0; i < p->count; i++)
        most = fmax(most, p->steps[i].ended);
    return most > 0 ? most : 1;
}

static void measure(const struct trace_plot *p, struct grid *g)
{
    size_t screen = screen_width(stdout);
    int least = ID_BITS, most = 0, rows;

    memset(g, 0, sizeof(*g));
    for (size_t i = 0; i < p->count; i++) {
        least = p->steps[i].bits < least ? p->steps[i].bits : least;
        most = p->steps[i].bits > most ? p->steps[i].bits : most;
    }
    rows = most - least + 1;
    g->first = least;
    g->step = (rows + ROWS_MAX - 1) / ROWS_MAX;
    g->height = (size_t)((rows + g->step - 1) / g->step);
    g->width = (screen < WIDTH_MAX ? screen : WIDTH_MAX) - LEFT - 1;
    g->scale = (double)(g->width - 1) / latest(p);
}

static size_t column_of(const struct grid *g, double ms)
{
    size_t at = (size_t)(ms * g->scale + 0.5);

    return at < g->width ? at : g->width - 1;
}

static void put(const struct trace_plot *p, size_t i, struct grid *g)
{
    uint8_t *row = g->cells[(p->steps[i].bits - g->first) / g->step];
    size_t from = column_of(g, p->steps[i].asked);
    size_t to = column_of(g, p->steps[i].ended);
    uint8_t sign = (uint8_t)(MARKS + p->steps[i].mark);

    for (size_t at = from; at < to; at++)
        row[at] = row[at] == BLANK ? LINE : row[at];
    row[to] = row[to] < sign ? sign : row[to];
}

/* ---- Printing ------------------------------------------------------------ */

static void print_row(const struct grid *g, size_t row,
                      const char *const *signs, bool utf8, FILE *to)
{
    size_t end = g->width;
    int bits = g->first + (int)row * g->step;

    fprintf(to, "%4d  2^%-3d %s", bits, ID_BITS - bits, utf8 ? "\u2502" : "|");
    while (end > 0 && g->cells[row][end - 1] == BLANK)
        end--;
    for (size_t i = 0; i < end; i++)
        fputs(signs[g->cells[row][i]], to);
    fputc('\n', to);
}

/* 1, 2 or 5 times a power of ten: the least with which there are few enough. */
static double tick_of(double end)
{
    static const double steps[] = {1, 2, 5};
    double unit = pow(10, floor(log10(end / TICKS_MAX)));

    for (size_t i = 0; i < 3; i++) {
        if (end / (steps[i] * unit) <= TICKS_MAX)
            return steps[i] * unit;
    }
    return 10 * unit;
}

static void print_axis(const struct grid *g, double end, bool utf8, FILE *to)
{
    double tick = tick_of(end);
    char labels[WIDTH_MAX + 32];
    size_t used = 0;

    fprintf(to, "%*s%s", LEFT - 1, "", utf8 ? "\u2514" : "+");
    for (size_t i = 0; i < g->width; i++) {
        double nearest = floor((double)i / g->scale / tick + 0.5) * tick;
        bool is_tick = i > 0 && column_of(g, nearest) == i;

        fputs(is_tick ? (utf8 ? "\u2534" : "+") : (utf8 ? "\u2500" : "-"), to);
    }
    memset(labels, ' ', sizeof(labels));
    for (unsigned i = 0; i * tick <= end; i++) {
        char label[32];
        size_t len = (size_t)snprintf(label, sizeof(label), "%g", i * tick);
        size_t at = column_of(g, i * tick);

        if (at < used || at + len > g->width - 3)
            continue;
        memcpy(labels + at, label, len);
        used = at + len + 1;
    }
    memcpy(labels + g->width - 2, "ms", 2);
    fprintf(to, "\n%*s%.*s\n", LEFT, "", (int)g->width, labels);
}

/* Only of what is there. */
static void print_legend(const struct trace_plot *p, const char *const *signs,
                         FILE *to)
{
    unsigned counts[TRACE_MARKS] = {0};
    size_t used = 0, room = screen_width(stdout);

    for (size_t i = 0; i < p->count; i++)
        counts[p->steps[i].mark]++;
    for (int m = 0; m < TRACE_MARKS; m++) {
        char text[64];
        size_t len;

        if (counts[m] == 0)
            continue;
        len = (size_t)snprintf(text, sizeof(text), "%u %s", counts[m],
                               meanings[m]);
        if (used > 0 && used + len + 4 > room) {
            fputc('\n', to);
            used = 0;
        }
        fprintf(to, "%s%s %s", used > 0 ? "  " : "", signs[MARKS + m], text);
        used += len + 4;
    }
    fputc('\n', to);
}

void trace_plot_print(const struct trace_plot *p, bool utf8, FILE *to)
{
    const char *const *signs = utf8 ? beyond : ascii;
    struct grid g;

    if (p->count < 2)
        return;
    measure(p, &g);
    for (size_t i = 0; i < p->count; i++)
        put(p, i, &g);
    screen_fold(to, 0, "",
                "bits shared with the target, distance; against time");
    for (size_t row = 0; row < g.height; row++)
        print_row(&g, row, signs, utf8, to);
    print_axis(&g, latest(p), utf8, to);
    print_legend(p, signs, to);
}

bool trace_plot_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0')
            return strcasestr(value, "utf-8") != NULL ||
                   strcasestr(value, "utf8") != NULL;
    }
    return false;
}
