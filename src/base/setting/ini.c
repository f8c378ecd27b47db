/* SPDX-License-Identifier: MIT
 *
 * The lines of an INI file, cut apart in place: line end, comment, blanks, then
 * the = or the ]. A line that makes no sense is an item, too, so that the
 * caller can say where it stands and go on behind it.
 */
#include "base/setting/ini.h"

#include <stdbool.h>
#include <string.h>

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

static void set_error(struct ini_item *item, const char *error)
{
    item->kind = INI_ERROR;
    item->error = error;
}

static void read_section(struct ini *ini, char *s, struct ini_item *item)
{
    size_t len = strlen(s);

    if (s[len - 1] != ']') {
        set_error(item, "a section's line must be [NAME]; the ] is missing");
        return;
    }
    s[len - 1] = '\0';
    ini->section = trim(s + 1);
    item->kind = INI_SECTION;
    item->section = ini->section;
}

static void read_pair(const struct ini *ini, char *s, struct ini_item *item)
{
    char *equals = strchr(s, '=');

    if (equals == NULL) {
        set_error(item, "neither a section nor a setting; write [SECTION] or "
                        "KEY = VALUE");
        return;
    }
    *equals = '\0';
    item->kind = INI_PAIR;
    item->section = ini->section;
    item->key = trim(s);
    item->value = trim(equals + 1);
    if (item->key[0] == '\0')
        set_error(item, "there is no key before the =; write KEY = VALUE");
}

void ini_init(struct ini *ini, char *text, size_t len)
{
    *ini = (struct ini){.next = text, .end = text + len};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        ini->next += 3; /* editors on some systems begin a file with this */
}

bool ini_next(struct ini *ini, struct ini_item *item)
{
    while (ini->next < ini->end) {
        char *s = ini->next;
        size_t left = (size_t)(ini->end - s);
        char *newline = memchr(s, '\n', left);
        char *stop = newline == NULL ? ini->end : newline;

        *stop = '\0';
        ini->next = stop + 1;
        *item = (struct ini_item){.line = ++ini->line};
        if (memchr(s, '\0', (size_t)(stop - s)) != NULL) {
            set_error(item, "a NUL byte; settings are plain text");
            return true;
        }
        cut_comment(s);
        s = trim(s);
        if (s[0] == '\0')
            continue;
        if (s[0] == '[')
            read_section(ini, s, item);
        else
            read_pair(ini, s, item);
        return true;
    }
    return false;
}
