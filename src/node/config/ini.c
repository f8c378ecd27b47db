/* SPDX-License-Identifier: MIT
 *
 * The lines of an INI file, cut apart in place.
 */
#include "node/config/ini.h"

#include <stdbool.h>
#include <string.h>

struct reader {
    ini_item_fn *item;
    void *arg;
    const char *section;
    unsigned line;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static char *trim(char *s)
{
    size_t len;

    while (is_blank(*s))
        s++;
    len = strlen(s);
    while (len > 0 && is_blank(s[len - 1]))
        len--;
    s[len] = '\0';
    return s;
}

static void cut_comment(char *s)
{
    for (size_t i = 0; s[i] != '\0'; i++) {
        if ((s[i] == '#' || s[i] == ';') && (i == 0 || is_blank(s[i - 1]))) {
            s[i] = '\0';
            return;
        }
    }
}

static void report(const struct reader *r, const char *error)
{
    struct ini_item item = {.kind = INI_ERROR, .line = r->line, .error = error};

    r->item(r->arg, &item);
}

static void read_section(struct reader *r, char *s)
{
    size_t len = strlen(s);
    struct ini_item item = {.kind = INI_SECTION, .line = r->line};

    if (s[len - 1] != ']') {
        report(r, "a section's line must be [NAME]; the ] is missing");
        return;
    }
    s[len - 1] = '\0';
    r->section = item.section = trim(s + 1);
    r->item(r->arg, &item);
}

static void read_pair(struct reader *r, char *s)
{
    char *equals = strchr(s, '=');
    struct ini_item item = {
        .kind = INI_PAIR, .line = r->line, .section = r->section};

    if (equals == NULL) {
        report(r, "neither a section nor a setting; write [SECTION] or "
                  "KEY = VALUE");
        return;
    }
    *equals = '\0';
    item.key = trim(s);
    item.value = trim(equals + 1);
    if (item.key[0] == '\0') {
        report(r, "there is no key before the =; write KEY = VALUE");
        return;
    }
    r->item(r->arg, &item);
}

static void read_line(struct reader *r, char *s, size_t len)
{
    if (memchr(s, '\0', len) != NULL) {
        report(r, "a NUL byte; settings are plain text");
        return;
    }
    cut_comment(s);
    s = trim(s);
    if (s[0] == '[')
        read_section(r, s);
    else if (s[0] != '\0')
        read_pair(r, s);
}

void ini_parse(char *text, size_t len, ini_item_fn *item, void *arg)
{
    struct reader r = {.item = item, .arg = arg, .line = 1};
    char *end = text + len;

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3; /* editors on some systems begin a file with this mark */
    while (text < end) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *stop = newline == NULL ? end : newline;

        *stop = '\0';
        read_line(&r, text, (size_t)(stop - text));
        text = stop + 1;
        r.line++;
    }
}
