/* SPDX-License-Identifier: MIT
 *
 * Cells are kept behind each other as they are added, and each widens its
 * column; columns_print then makes columns narrower until a row fits (fit), or
 * puts those that still have no room below the others (beside), and prints a
 * row piece by piece, for a cell may have several lines.
 *
 * libsmartcols was tried in its place: it cuts words where a column is too
 * narrow, or prints over the edge of the screen.
 */
#include "cli/show/columns.h"
#include "cli/show/screen.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#define CELLS_MAX (4 * 1024 * 1024)
#define CELL_MAX  512
#define GAP       2 /* between columns */
#define BELOW     4 /* indent of columns that stand below the others */

static size_t longest_word(const char *cell)
{
    size_t longest = 0;

    while (*cell != '\0') {
        size_t len = strcspn(cell, " ");
        size_t width = screen_width_of(cell, len);

        longest = width > longest ? width : longest;
        cell += len + (cell[len] == ' ');
    }
    return longest;
}

static void add_cell(struct columns *c, const char *cell)
{
    struct column *column = &c->columns[c->at++ % c->count];
    size_t width = screen_width_of(cell, strlen(cell));
    size_t word = longest_word(cell);

    column->width = width > column->width ? width : column->width;
    column->longest = word > column->longest ? word : column->longest;
    text_add_bytes(&c->cells, bytes_of(cell, strlen(cell) + 1));
}

void columns_init(struct columns *c, const char *head)
{
    *c = (struct columns){.count = 1};
    text_init(&c->cells, CELLS_MAX);
    for (const char *p = head; *p != '\0'; p++)
        c->count += *p == '|';
    assert(c->count <= COLUMNS_MAX);
    for (size_t i = 0; i < c->count; i++) {
        struct column *column = &c->columns[i];
        char cell[CELL_MAX];
        size_t len;

        column->right = *head == '>';
        column->is_id = *head == '#';
        column->folds = *head == '+';
        head += column->right || column->is_id || column->folds;
        len = strcspn(head, "|");
        snprintf(cell, sizeof(cell), "%.*s", (int)len, head);
        add_cell(c, cell);
        head += len + 1;
    }
}

void columns_deinit(struct columns *c)
{
    text_deinit(&c->cells);
}

void columns_add(struct columns *c, const char *format, ...)
{
    char cell[CELL_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(cell, sizeof(cell), format, args);
    va_end(args);
    add_cell(c, cell);
}

/* ---- Widths ------------------------------------------------------------- */

static size_t width_of_all(const struct columns *c)
{
    size_t sum = GAP * (c->count - 1);

    for (size_t i = 0; i < c->count; i++)
        sum += c->columns[i].width;
    return sum;
}

static void fit(struct columns *c, size_t screen)
{
    for (size_t i = 0; i < c->count && width_of_all(c) > screen; i++) {
        struct column *column = &c->columns[i];

        if (column->is_id && column->width > COLUMNS_SHORT_ID)
            column->width = COLUMNS_SHORT_ID;
    }
    for (size_t i = 0; i < c->count && width_of_all(c) > screen; i++) {
        struct column *column = &c->columns[i];
        size_t others = width_of_all(c) - column->width;
        size_t room = screen > others ? screen - others : 0;

        if (column->folds)
            column->width = room > column->longest ? room : column->longest;
    }
}

/* ---- Printing ----------------------------------------------------------- */

/* Columns from `first` on that stand beside each other; one at least. */
static size_t beside(const struct columns *c, size_t first, size_t screen)
{
    size_t used = (first > 0 ? BELOW : 0) + c->columns[first].width;
    size_t end = first + 1;

    while (end < c->count && used + GAP + c->columns[end].width <= screen)
        used += GAP + c->columns[end++].width;
    return end;
}

/* One line of a cell: what follows is left in *cell. */
static void print_piece(const struct column *column, const char **cell,
                        bool last, FILE *to)
{
    const char *s = *cell;
    size_t len = column->folds   ? screen_break(s, column->width)
                 : column->is_id ? strnlen(s, column->width)
                                 : strlen(s);
    size_t width = screen_width_of(s, len);
    size_t pad = column->width > width ? column->width - width : 0;

    fprintf(to, "%*s%.*s%*s", column->right ? (int)pad : 0, "", (int)len, s,
            column->right || last ? 0 : (int)pad, "");
    if (!last)
        fprintf(to, "%*s", GAP, "");
    *cell = !column->folds ? "" : s + len + (s[len] == ' ');
}

/* Whether a line is left of the cells from `first` to `end`; `stop` is behind
 * the last of them, so that nothing is padded for no reason. */
static bool lines_left(const char *const *cells, size_t first, size_t end,
                       size_t *stop)
{
    for (*stop = end; *stop > first && *cells[*stop - 1] == '\0'; --*stop)
        ;
    return *stop > first;
}

static void print_row(const struct columns *c, const char **cells,
                      size_t screen, FILE *to)
{
    for (size_t first = 0, end; first < c->count; first = end) {
        size_t stop;

        end = beside(c, first, screen);
        while (lines_left(cells, first, end, &stop)) {
            fprintf(to, "%*s", first > 0 ? BELOW : 0, "");
            for (size_t i = first; i < stop; i++)
                print_piece(&c->columns[i], &cells[i], i + 1 == stop, to);
            fputc('\n', to);
        }
    }
}

void columns_print(const struct columns *c, FILE *to)
{
    struct columns fitted = *c; /* the cells stay those of `c` */
    size_t screen = screen_width(to);
    const char *cell = text_get(&c->cells);
    const char *cells[COLUMNS_MAX];

    fit(&fitted, screen);
    for (size_t i = 0; i + fitted.count <= c->at; i += fitted.count) {
        for (size_t column = 0; column < fitted.count; column++) {
            cells[column] = cell;
            cell += strlen(cell) + 1;
        }
        print_row(&fitted, cells, screen, to);
    }
}
