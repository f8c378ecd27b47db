/* SPDX-License-Identifier: MIT
 *
 * The width counts characters as one column each, which is right for all that
 * warren prints itself; what others wrote may be wider.
 */
#include "cli/show/screen.h"

#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_LIMIT 4096

static size_t terminal_width(FILE *to)
{
    const char *said = getenv("COLUMNS");
    unsigned long width = said == NULL ? 0 : strtoul(said, NULL, 10);
    struct winsize size;

    if (width > 0)
        return width;
    if (ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return SCREEN_WIDTH;
}

size_t screen_width(FILE *to)
{
    size_t width = terminal_width(to);

    if (width < SCREEN_WIDTH_MIN)
        return SCREEN_WIDTH_MIN;
    return width > SCREEN_WIDTH_MAX ? SCREEN_WIDTH_MAX : width;
}

size_t screen_width_of(const char *s, size_t len)
{
    size_t width = 0;

    for (size_t i = 0; i < len; i++)
        width += ((unsigned char)s[i] & 0xc0) != 0x80;
    return width;
}

/* Bytes up to the next blank that is not between backquotes, or the end. */
static size_t word(const char *s)
{
    size_t len = 0;

    for (; s[len] != '\0' && s[len] != ' '; len++) {
        const char *end = s[len] == '`' ? strchr(s + len + 1, '`') : NULL;

        if (end != NULL)
            len = (size_t)(end - s);
    }
    return len;
}

size_t screen_break(const char *s, size_t room)
{
    size_t fits = word(s);

    while (s[fits] != '\0') {
        size_t next = fits + 1 + word(s + fits + 1);

        if (screen_width_of(s, next) > room)
            break;
        fits = next;
    }
    return fits;
}

/* Characters before `width` others: a word that is too wide for its place
 * moves to the left. */
static size_t indent_of(size_t indent, size_t width, size_t screen)
{
    if (indent + width <= screen)
        return indent;
    return width < screen ? screen - width : 0;
}

void screen_fold(FILE *to, size_t indent, const char *left, const char *s)
{
    size_t screen = screen_width(to);
    size_t used = screen_width_of(left, strlen(left));
    bool blank = used == 0 || left[strlen(left) - 1] == ' ';

    fputs(left, to);
    do {
        size_t len = screen_break(s, screen - indent);
        size_t at = indent_of(indent, screen_width_of(s, len), screen);

        if (used + !blank > at) {
            fputc('\n', to);
            used = 0;
        }
        fprintf(to, "%*s%.*s\n", (int)(at - used), "", (int)len, s);
        s += len + (s[len] == ' ');
        used = 0;
        blank = true;
    } while (*s != '\0');
}

void screen_line(const char *label, const char *format, ...)
{
    struct text text;
    va_list args;

    text_init(&text, LINE_LIMIT);
    va_start(args, format);
    text_vaddf(&text, format, args);
    va_end(args);
    screen_fold(stdout, SCREEN_LABEL, label, text_get(&text));
    text_deinit(&text);
}
