/* SPDX-License-Identifier: MIT
 *
 * Kinds of values that are one number, one word or one path. Each kind is a
 * row of three functions, below those functions.
 */
#include "base/setting/setting.h"

#include "base/timestamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void setting_explain_fixed(const struct setting_key *key, struct text *out)
{
    text_add(out, key->type->explained);
}

/* ---- Numbers ----------------------------------------------------------- */

/* Largest first: the first that divides a value prints it shortest. */
static const struct setting_unit sizes[] = {
    {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct setting_unit times[] = {
    {"d", 24 * TIME_HOUR}, {"h", TIME_HOUR}, {"m", TIME_MIN},
    {"s", TIME_S},         {"ms", TIME_MS},  {NULL, 0}};
static const struct setting_unit ones[] = {{"", 1}, {NULL, 0}};

static bool read_number(const char *text, const struct setting_unit *units,
                        uint64_t *out)
{
    uint64_t n = 0;
    const char *p = text;

    while (*p >= '0' && *p <= '9') {
        unsigned digit = (unsigned)(*p++ - '0');

        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    for (; p > text && units->suffix != NULL; units++) {
        if (strcmp(units->suffix, p) != 0)
            continue;
        if (n > UINT64_MAX / units->factor)
            return false;
        *out = n * units->factor;
        return true;
    }
    return false;
}

bool setting_read_number(const char *text, uint64_t *out)
{
    return read_number(text, ones, out);
}

static void add_number(uint64_t n, const struct setting_unit *units,
                       struct text *out)
{
    while (units[1].suffix != NULL && (n == 0 || n % units->factor != 0))
        units++;
    text_addf(out, "%" PRIu64 "%s", n / units->factor, units->suffix);
}

/* Numbers and enumerations are 4 or 8 bytes: what the member is. */
static void store(const struct setting_key *key, void *value, uint64_t n)
{
    if (key->size == sizeof(uint64_t))
        *(uint64_t *)value = n;
    else
        *(uint32_t *)value = (uint32_t)n;
}

static uint64_t stored(const struct setting_key *key, const void *value)
{
    return key->size == sizeof(uint64_t) ? *(const uint64_t *)value
                                         : *(const uint32_t *)value;
}

static enum error parse_number(const struct setting_key *key, const char *text,
                               void *value, struct text *why)
{
    uint64_t n;

    (void)why;
    if (!read_number(text, key->type->units, &n) || n < key->min ||
        n > key->max)
        return ERR_SYNTAX;
    store(key, value, n);
    return OK;
}

static void print_number(const struct setting_key *key, const void *value,
                         struct text *out)
{
    add_number(stored(key, value), key->type->units, out);
}

bool setting_read_duration(const char *text, uint64_t *out)
{
    return read_number(text, times, out);
}

bool setting_read_size(const char *text, uint64_t *out)
{
    return read_number(text, sizes, out);
}

void setting_print_size(uint64_t bytes, struct text *out)
{
    add_number(bytes, sizes, out);
}

void setting_print_duration(uint64_t ns, struct text *out)
{
    add_number(ns, times, out);
}

void setting_explain_duration(uint64_t min, uint64_t max, struct text *out)
{
    text_add(out, "a duration from ");
    add_number(min, times, out);
    text_add(out, " to ");
    add_number(max, times, out);
    text_add(out, ", like 30s, 15m or 2h");
}

static void explain_number(const struct setting_key *key, struct text *out)
{
    const struct setting_unit *units = key->type->units;

    if (units == times) {
        setting_explain_duration(key->min, key->max, out);
        return;
    }
    text_add(out, units == sizes ? "a size from " : "a whole number from ");
    add_number(key->min, units, out);
    text_add(out, " to ");
    add_number(key->max, units, out);
    if (units == sizes)
        text_add(out, ", like 512k or 4m");
}

#define NUMBER \
    .parse = parse_number, .print = print_number, .explain = explain_number
const struct setting_type setting_count = {NUMBER, .units = ones};
const struct setting_type setting_size = {NUMBER, .units = sizes};
const struct setting_type setting_duration = {NUMBER, .units = times};

/* ---- Shares ------------------------------------------------------------- */

bool setting_read_real(const char *text, double *out)
{
    const char *p = text;
    double n = 0, scale = 1;
    bool point = false, digits = false;

    for (; (*p >= '0' && *p <= '9') || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        digits = true;
        n = n * 10 + (*p - '0');
        if (point)
            scale *= 10;
    }
    if (!digits || *p != '\0' || p - text > 17)
        return false;
    *out = n / scale;
    return true;
}

bool setting_read_share(const char *text, double *out)
{
    size_t len = strlen(text);
    bool percent = len > 0 && text[len - 1] == '%';
    char digits[24];
    double n;

    len -= percent;
    if (len >= sizeof(digits))
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (!setting_read_real(digits, &n) || n > (percent ? 100 : 1))
        return false;
    *out = percent ? n / 100 : n;
    return true;
}

static enum error parse_share(const struct setting_key *key, const char *text,
                              void *value, struct text *why)
{
    (void)key, (void)why;
    return setting_read_share(text, value) ? OK : ERR_SYNTAX;
}

static void print_share(const struct setting_key *key, const void *value,
                        struct text *out)
{
    (void)key;
    text_addf(out, "%.10g%%", *(const double *)value * 100);
}

const struct setting_type setting_share = {
    .parse = parse_share,
    .print = print_share,
    .explain = setting_explain_fixed,
    .explained = "a share from 0% to 100%, like 5% or 0.05"};

/* ---- Words ------------------------------------------------------------- */

/* The index of `text` in `names`, or -1. */
static int index_of(const char *text, const char *const *names)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    return -1;
}

static enum error parse_bool(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    int i = index_of(text, key->type->names);

    (void)why;
    if (i >= 0)
        *(bool *)value = i % 2 == 1;
    return i >= 0 ? OK : ERR_SYNTAX;
}

static void print_bool(const struct setting_key *key, const void *value,
                       struct text *out)
{
    text_add(out, key->type->names[*(const bool *)value]);
}

static const char *const bools[] = {"false", "true", "no", "yes", "off",
                                    "on",    "0",    "1",  NULL};

const struct setting_type setting_bool = {.parse = parse_bool,
                                          .print = print_bool,
                                          .explain = setting_explain_fixed,
                                          .explained = "true or false",
                                          .names = bools};

enum error setting_choice_parse(const struct setting_key *key, const char *text,
                                void *value, struct text *why)
{
    int i = index_of(text, key->type->names);

    (void)why;
    if (i >= 0)
        store(key, value, (uint64_t)i);
    return i >= 0 ? OK : ERR_SYNTAX;
}

void setting_choice_print(const struct setting_key *key, const void *value,
                          struct text *out)
{
    text_add(out, key->type->names[stored(key, value)]);
}

void setting_choice_explain(const struct setting_key *key, struct text *out)
{
    const char *const *names = key->type->names;

    for (int i = 0; names[i] != NULL; i++)
        text_addf(out, "%s%s", i == 0 ? "one of " : ", ", names[i]);
}

/* ---- Strings ----------------------------------------------------------- */

static enum error parse_name(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(text);

    (void)why;
    if (len < key->min || len > key->max || strspn(text, allowed) != len)
        return ERR_SYNTAX;
    memcpy(value, text, len + 1);
    return OK;
}

static void explain_name(const struct setting_key *key, struct text *out)
{
    if (key->min == 0)
        text_add(out, "up to ");
    else
        text_addf(out, "%" PRIu64 " to ", key->min);
    text_addf(out, "%" PRIu64 " letters, digits, '-', '_' or '.'", key->max);
}

/* "~" is the home directory and "~/x" below it, as a shell would have it. */
static enum error parse_path(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    bool at_home = text[0] == '~' && (text[1] == '/' || text[1] == '\0');
    const char *home = at_home ? getenv("HOME") : "";
    const char *rest = at_home ? text + 1 : text;
    size_t home_len, len = strlen(rest);
    char *out = value;

    if (home == NULL || (at_home && home[0] == '\0')) {
        text_add(why, "a path without ~, because HOME is not set");
        return ERR_SYNTAX;
    }
    home_len = strlen(home);
    if (home_len + len == 0 || home_len + len >= key->size)
        return ERR_SYNTAX;
    memcpy(out, home, home_len);
    memcpy(out + home_len, rest, len + 1);
    return OK;
}

static void explain_path(const struct setting_key *key, struct text *out)
{
    text_addf(out, "a path of 1 to %zu bytes", key->size - 1);
}

static void print_string(const struct setting_key *key, const void *value,
                         struct text *out)
{
    (void)key;
    text_add(out, value);
}

const struct setting_type setting_name = {
    .parse = parse_name, .print = print_string, .explain = explain_name};
const struct setting_type setting_path = {
    .parse = parse_path, .print = print_string, .explain = explain_path};

/* ---- Words in a value --------------------------------------------------- */

#define BLANKS " \t"

bool setting_next_word(const char **text, char *out, size_t size)
{
    const char *from = *text + strspn(*text, BLANKS);
    size_t len = strcspn(from, BLANKS);

    *text = from + len;
    if (len == 0 || len >= size)
        return false;
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

bool setting_is_blank(const char *text)
{
    return text[strspn(text, BLANKS)] == '\0';
}

/* ---- Lists ------------------------------------------------------------- */

enum error setting_list_full(const struct setting_key *key, const char *entries,
                             struct text *why)
{
    text_addf(why,
              "one of at most %" PRIu64 " %s; leave it out, and what "
              "follows it",
              key->max, entries);
    return ERR_FULL;
}

/* ---- Setting one --------------------------------------------------------- */

static enum error set_one(const struct setting_key *key, const char *text,
                          void *base, struct text *why)
{
    size_t before = why->len, said;
    enum error err;

    text_addf(why, "%s is '", key->name);
    text_add_printable(why, bytes_of(text, strnlen(text, 200)));
    text_add(why, "' but must be ");
    said = why->len;
    err = key->type->parse(key, text, (char *)base + key->offset, why);
    if (err == OK)
        text_cut(why, before);
    else if (why->len == said)
        key->type->explain(key, why);
    return err;
}

enum error setting_set(const struct setting_key *key, const char *text,
                       void *base, bool append, struct text *why)
{
    static const char blanks[] = " \t";
    char part[SETTING_TEXT_SIZE];
    enum error err = OK;

    if (!key->type->list)
        return set_one(key, text, base, why);
    if (!append)
        memset((char *)base + key->offset, 0, key->size);
    for (bool more = true; more && err == OK;) {
        size_t len = strcspn(text, ","), from = strspn(text, blanks);
        size_t to = len;

        while (to > from && strchr(blanks, text[to - 1]) != NULL)
            to--;
        snprintf(part, sizeof(part), "%.*s", to > from ? (int)(to - from) : 0,
                 text + from);
        err = set_one(key, part, base, why);
        more = text[len] == ',';
        text += len + more;
    }
    return err;
}
