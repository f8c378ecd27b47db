/* SPDX-License-Identifier: MIT
 */
#include "cli/show/columns.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#define CELLS_MAX (4 * 1024 * 1024)
#define CELL_MAX  256

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width_of(const char *s)
{
    size_t width = 0;

    for (; *s != '\0'; s++)
        width += ((unsigned char)*s & 0xc0) != 0x80;
    return width;
}

static void add_cell(struct columns *c, const char *cell)
{
    size_t column = c->at++ % c->count;
    size_t width = width_of(cell) - (cell[0] == '>');

    if (width > c->widths[column])
        c->widths[column] = width;
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
        char cell[CELL_MAX];
        size_t len = strcspn(head, "|");

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

static void print_cell(const struct columns *c, size_t column, bool right,
                       const char *cell, FILE *to)
{
    size_t pad = c->widths[column] - width_of(cell);
    bool last = column + 1 == c->count;

    fprintf(to, "%*s%s%*s%s", right ? (int)pad : 0, "", cell,
            right || last ? 0 : (int)pad, "", last ? "\n" : "  ");
}

void columns_print(const struct columns *c, FILE *to)
{
    bool right[COLUMNS_MAX] = {false};
    const char *cell = text_get(&c->cells);

    for (size_t i = 0; i < c->at; i++) {
        size_t column = i % c->count;

        if (i < c->count && cell[0] == '>') {
            right[column] = true;
            cell++;
        }
        print_cell(c, column, right[column], cell, to);
        cell += strlen(cell) + 1;
    }
}
