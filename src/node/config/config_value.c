/* SPDX-License-Identifier: MIT
 *
 * Kinds of values that are one number, one word or one path. Each kind is a
 * row of three functions, below those functions; config_address.c and
 * config_tunnel.c have the rest.
 */
#include "node/config/config_keys.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void config_explain_fixed(const struct config_key *key, struct text *out)
{
    text_add(out, key->type->explained);
}

void config_print(const struct config_key *key, const struct config *config,
                  struct text *out)
{
    key->type->print(key, (const char *)config + key->offset, out);
}

/* ---- Numbers ----------------------------------------------------------- */

/* Largest first: the first that divides a value prints it shortest. */
static const struct config_unit sizes[] = {
    {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct config_unit times[] = {
    {"d", 24 * TIME_HOUR}, {"h", TIME_HOUR}, {"m", TIME_MIN},
    {"s", TIME_S},         {"ms", TIME_MS},  {NULL, 0}};
static const struct config_unit ones[] = {{"", 1}, {NULL, 0}};

static bool read_number(const char *text, const struct config_unit *units,
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

bool config_read_number(const char *text, uint64_t *out)
{
    return read_number(text, ones, out);
}

static void add_number(uint64_t n, const struct config_unit *units,
                       struct text *out)
{
    while (units[1].suffix != NULL && (n == 0 || n % units->factor != 0))
        units++;
    text_addf(out, "%" PRIu64 "%s", n / units->factor, units->suffix);
}

/* Numbers and enumerations are 4 or 8 bytes: what the member is. */
static void store(const struct config_key *key, void *value, uint64_t n)
{
    if (key->size == sizeof(uint64_t))
        *(uint64_t *)value = n;
    else
        *(uint32_t *)value = (uint32_t)n;
}

static uint64_t stored(const struct config_key *key, const void *value)
{
    return key->size == sizeof(uint64_t) ? *(const uint64_t *)value
                                         : *(const uint32_t *)value;
}

static enum error parse_number(const struct config_key *key, const char *text,
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

static void print_number(const struct config_key *key, const void *value,
                         struct text *out)
{
    add_number(stored(key, value), key->type->units, out);
}

bool config_read_duration(const char *text, uint64_t *out)
{
    return read_number(text, times, out);
}

void config_explain_duration(uint64_t min, uint64_t max, struct text *out)
{
    text_add(out, "a duration from ");
    add_number(min, times, out);
    text_add(out, " to ");
    add_number(max, times, out);
    text_add(out, ", like 30s, 15m or 2h");
}

static void explain_number(const struct config_key *key, struct text *out)
{
    const struct config_unit *units = key->type->units;

    if (units == times) {
        config_explain_duration(key->min, key->max, out);
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
const struct config_type config_count = {NUMBER, .units = ones};
const struct config_type config_size = {NUMBER, .units = sizes};
const struct config_type config_duration = {NUMBER, .units = times};

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

static enum error parse_bool(const struct config_key *key, const char *text,
                             void *value, struct text *why)
{
    int i = index_of(text, key->type->names);

    (void)why;
    if (i >= 0)
        *(bool *)value = i % 2 == 1;
    return i >= 0 ? OK : ERR_SYNTAX;
}

static void print_bool(const struct config_key *key, const void *value,
                       struct text *out)
{
    text_add(out, key->type->names[*(const bool *)value]);
}

static const char *const bools[] = {"false", "true", "no", "yes", "off",
                                    "on",    "0",    "1",  NULL};

const struct config_type config_bool = {.parse = parse_bool,
                                        .print = print_bool,
                                        .explain = config_explain_fixed,
                                        .explained = "true or false",
                                        .names = bools};

static enum error parse_choice(const struct config_key *key, const char *text,
                               void *value, struct text *why)
{
    int i = index_of(text, key->type->names);

    (void)why;
    if (i >= 0)
        store(key, value, (uint64_t)i);
    return i >= 0 ? OK : ERR_SYNTAX;
}

static void print_choice(const struct config_key *key, const void *value,
                         struct text *out)
{
    text_add(out, key->type->names[stored(key, value)]);
}

static void explain_choice(const struct config_key *key, struct text *out)
{
    const char *const *names = key->type->names;

    for (int i = 0; names[i] != NULL; i++)
        text_addf(out, "%s%s", i == 0 ? "one of " : ", ", names[i]);
}

/* In the order of their enumerations. */
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const formats[] = {"text", "json", NULL};

#define CHOICE \
    .parse = parse_choice, .print = print_choice, .explain = explain_choice
const struct config_type config_level = {CHOICE, .names = levels};
const struct config_type config_format = {CHOICE, .names = formats};

/* ---- Strings ----------------------------------------------------------- */

static enum error parse_name(const struct config_key *key, const char *text,
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

static void explain_name(const struct config_key *key, struct text *out)
{
    if (key->min == 0)
        text_add(out, "up to ");
    else
        text_addf(out, "%" PRIu64 " to ", key->min);
    text_addf(out, "%" PRIu64 " letters, digits, '-', '_' or '.'", key->max);
}

/* "~" is the home directory and "~/x" below it, as a shell would have it. */
static enum error parse_path(const struct config_key *key, const char *text,
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

static void explain_path(const struct config_key *key, struct text *out)
{
    text_addf(out, "a path of 1 to %zu bytes", key->size - 1);
}

static void print_string(const struct config_key *key, const void *value,
                         struct text *out)
{
    (void)key;
    text_add(out, value);
}

const struct config_type config_name = {
    .parse = parse_name, .print = print_string, .explain = explain_name};
const struct config_type config_path = {
    .parse = parse_path, .print = print_string, .explain = explain_path};

/* ---- Words in a value --------------------------------------------------- */

#define BLANKS " \t"

bool config_next_word(const char **text, char *out, size_t size)
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

bool config_is_blank(const char *text)
{
    return text[strspn(text, BLANKS)] == '\0';
}

bool config_read_unix(const char *text, char path[CONFIG_SOCKET_SIZE])
{
    static const char prefix[] = "unix:";
    size_t len = strlen(text), skip = sizeof(prefix) - 1;

    if (len < skip + 1 || len - skip >= CONFIG_SOCKET_SIZE ||
        memcmp(text, prefix, skip) != 0 || text[skip] != '/')
        return false;
    memcpy(path, text + skip, len - skip + 1);
    return true;
}

/* ---- Lists ------------------------------------------------------------- */

enum error config_list_full(const struct config_key *key, const char *entries,
                            struct text *why)
{
    text_addf(why,
              "one of at most %" PRIu64 " %s; leave it out, and what "
              "follows it",
              key->max, entries);
    return ERR_FULL;
}
