/* SPDX-License-Identifier: MIT */
#include "sim/report/summary_table.h"
#include "sim/report/scale.h"

#include <assert.h>
#include <string.h>

#define GAP        2 /* blanks between columns */
#define KEY_MAX    24
#define TITLE_ROWS 4

static size_t longer(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t key_width(const struct report *r, size_t key)
{
    size_t width = strlen(r->sweep[key]);

    for (size_t i = 0; i < r->run_count; i++)
        width = longer(width, strlen(r->runs[i].value[key]));
    return width < KEY_MAX ? width : KEY_MAX;
}

void summary_table_begin(struct summary_table *t, const struct report *r,
                         const char *name)
{
    *t = (struct summary_table){.report = r, .name = name};
    for (size_t i = 0; i < r->sweeps; i++)
        t->first += key_width(r, i) + GAP;
    t->width = t->first;
}

/* ---- Cells --------------------------------------------------------------- */

static void add_cell(const struct summary_table *t,
                     const struct summary_column *c, size_t first, size_t end,
                     struct text *out)
{
    struct interval in = report_interval(t->report, first, end, &c->figure);

    if (in.count == 0)
        text_add(out, "-");
    else
        scale_print_interval(&in, c->scale, out);
}

static size_t cells_width(const struct summary_table *t,
                          const struct summary_column *c)
{
    const struct report *r = t->report;
    struct text cell;
    size_t width = longer(strlen(c->name), strlen(c->scale.unit)), end;

    text_init(&cell, 200);
    for (size_t i = 0; i < r->run_count; i = end) {
        end = report_point_end(r, i);
        text_clear(&cell);
        add_cell(t, c, i, end, &cell);
        width = longer(width, cell.len);
    }
    text_deinit(&cell);
    return width;
}

/* ---- Titles -------------------------------------------------------------- */

/* The words of `title` that fit into a row of `width`, from `*at` on, which
 * becomes that of the next row; the length of the row. */
static size_t title_row(const char *title, size_t width, size_t *at)
{
    size_t len = strlen(title + *at), row = len;

    if (len > width) {
        for (row = width; row > 0 && title[*at + row] != ' '; row--)
            ;
        row = row == 0 ? width : row;
    }
    *at += row;
    *at += title[*at] == ' ';
    return row;
}

static size_t title_rows(const char *title, size_t width)
{
    size_t rows = 0, at = 0;

    while (title[at] != '\0') {
        title_row(title, width, &at);
        rows++;
    }
    return rows;
}

static size_t longest_word(const char *title)
{
    size_t longest = 0;

    while (*title != '\0') {
        size_t len = strcspn(title, " ");

        longest = longer(longest, len);
        title += len;
        title += *title == ' ';
    }
    return longest;
}

/* The width of columns from `i` on that have one title, and how many. */
static size_t span_of(const struct summary_table *t, size_t i, size_t *count)
{
    size_t width = t->columns[i].width, n = 1;

    for (; i + n < t->count && t->columns[i + n].title == NULL; n++)
        width += GAP + t->columns[i + n].width;
    *count = n;
    return width;
}

/* ---- Printing ------------------------------------------------------------ */

static void add_blanks(struct text *out, size_t count)
{
    text_addf(out, "%*s", (int)count, "");
}

/* Without the blanks at its end. */
static void end_row(struct text *out, size_t start)
{
    size_t len = out->len;

    while (len > start && text_get(out)[len - 1] == ' ')
        len--;
    text_cut(out, len);
    text_add(out, "\n");
}

static void print_title_row(const struct summary_table *t, size_t row,
                            size_t rows, struct text *out)
{
    size_t start = out->len, count;

    add_blanks(out, t->first);
    for (size_t i = 0; i < t->count; i += count) {
        const char *title = t->columns[i].title;
        size_t width = span_of(t, i, &count), at = 0, len = 0, from = 0;
        size_t skipped = rows - title_rows(title, width);

        for (size_t n = skipped; n <= row && n >= skipped; n++) {
            from = at;
            len = title_row(title, width, &at);
        }
        if (i > 0)
            add_blanks(out, GAP);
        add_blanks(out, width - len);
        text_add_bytes(out, bytes_of(title + from, len));
    }
    end_row(out, start);
}

static void print_titles(const struct summary_table *t, struct text *out)
{
    size_t rows = 0, count;

    for (size_t i = 0; i < t->count; i += count) {
        size_t width = span_of(t, i, &count);

        rows = longer(rows, title_rows(t->columns[i].title, width));
    }
    for (size_t row = 0; row < rows; row++)
        print_title_row(t, row, rows, out);
}

static void print_keys(const struct summary_table *t,
                       const struct report_run *run, struct text *out)
{
    const struct report *r = t->report;

    for (size_t i = 0; i < r->sweeps; i++)
        text_addf(out, "%-*.*s", (int)(key_width(r, i) + GAP), KEY_MAX,
                  run == NULL ? r->sweep[i] : run->value[i]);
}

/* The names of columns, or their units, in a row; none where all are empty. */
static void print_names(const struct summary_table *t, bool units, bool keys,
                        struct text *out)
{
    size_t start = out->len, used = 0;

    if (keys)
        print_keys(t, NULL, out);
    else
        add_blanks(out, t->first);
    for (size_t i = 0; i < t->count; i++) {
        const struct summary_column *c = &t->columns[i];
        const char *name = units ? c->scale.unit : c->name;

        text_addf(out, "%*s%*s", i > 0 ? GAP : 0, "", (int)c->width, name);
        used += strlen(name);
    }
    if (used > 0 || keys)
        end_row(out, start);
    else
        text_cut(out, start);
}

static void print_point(const struct summary_table *t, size_t first, size_t end,
                        struct text *out)
{
    struct text cell;

    text_init(&cell, 200);
    print_keys(t, &t->report->runs[first], out);
    for (size_t i = 0; i < t->count; i++) {
        text_clear(&cell);
        add_cell(t, &t->columns[i], first, end, &cell);
        text_addf(out, "%*s%*s", i > 0 ? GAP : 0, "", (int)t->columns[i].width,
                  text_get(&cell));
    }
    text_add(out, "\n");
    text_deinit(&cell);
}

static void flush(struct summary_table *t, struct text *out)
{
    const struct report *r = t->report;
    size_t end;

    if (t->count == 0)
        return;
    text_addf(out, "\n%s\n", t->name);
    print_titles(t, out);
    print_names(t, false, false, out);
    print_names(t, true, true, out);
    for (size_t i = 0; i < r->run_count; i = end) {
        end = report_point_end(r, i);
        print_point(t, i, end, out);
    }
    t->count = 0;
    t->width = t->first;
}

/* ---- Adding -------------------------------------------------------------- */

/* Makes them wide enough for the title in so many rows; the width of all. */
static size_t widen(struct summary_column *columns, size_t count,
                    const char *title)
{
    size_t width = (count - 1) * GAP, need = longest_word(title);

    for (size_t i = 0; i < count; i++)
        width += columns[i].width;
    need = longer(need, width);
    while (title_rows(title, need) > TITLE_ROWS)
        need++;
    columns[count - 1].width += need - width;
    return need;
}

void summary_table_add(struct summary_table *t, const char *title,
                       const struct summary_column *columns, size_t count,
                       struct text *out)
{
    struct summary_column c[SUMMARY_TABLE_MAX];
    struct scale scale = scale_of(
        &columns[0].figure, report_largest(t->report, &columns[0].figure));
    size_t width = 0;

    assert(count > 0 && count <= SUMMARY_TABLE_MAX);
    for (size_t i = 0; i < count; i++) {
        c[i] = columns[i];
        c[i].title = i == 0 ? title : NULL;
        c[i].scale = scale;
        c[i].width = cells_width(t, &c[i]);
    }
    do {
        width = widen(c, count, title) + GAP;
    } while (t->first + width - GAP > SUMMARY_COLUMNS && --count > 0);
    count = count == 0 ? 1 : count;
    if (t->count + count > SUMMARY_TABLE_MAX ||
        t->width + width - GAP > SUMMARY_COLUMNS)
        flush(t, out);
    memcpy(&t->columns[t->count], c, count * sizeof(c[0]));
    t->count += count;
    t->width += width;
}

void summary_table_end(struct summary_table *t, struct text *out)
{
    flush(t, out);
}
