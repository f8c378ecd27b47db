/* SPDX-License-Identifier: MIT
 *
 * Settings as rows of a table: where a value stands, its kind, its limits and
 * its meaning. Whoever has settings (the daemon, an experiment) has such a
 * table; reading, printing and explaining values follow from there.
 *
 * Sizes are 512, 10k, 5m, 1g (powers of 1024), durations 500ms, 30s, 15m, 2h,
 * 1d, shares 5%, 0.5% or 0.005.
 */
#ifndef WARREN_BASE_SETTING_SETTING_H
#define WARREN_BASE_SETTING_SETTING_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SETTING_TEXT_SIZE 1024 /* an entry of a list, with its terminator */

struct setting_type;

struct setting_key {
    const char *section, *name;
    const struct setting_type *type;
    size_t offset, size; /* of the value in the struct of settings */
    uint64_t min, max;   /* numbers: the value; names: bytes; lists: entries */
    const char *init;  /* the default as text; NULL: what somebody else says */
    const char *shown; /* in its place, where it depends on the user */
    bool reloadable;
    const char *flag;         /* short form without "--", or NULL */
    const char *flag_value;   /* the short form takes no value and means this */
    const char *flag_meaning; /* of the short form, if it says less */
    const char *meaning;      /* one or more lines */
};

struct setting_unit {
    const char *suffix;
    uint64_t factor;
};

/* `value` is the key's member of the struct of settings. */
struct setting_type {
    /* Sets the value or, of a list, adds one entry; an empty one adds none.
     * ERR_SYNTAX, ERR_FULL (key->max entries are there): then the value is as
     * before, and `why` gets what the text must be where that is more than
     * `explain` says. */
    enum error (*parse)(const struct setting_key *key, const char *text,
                        void *value, struct text *why);
    /* As `parse` reads it, entries of a list joined by ", ". */
    void (*print)(const struct setting_key *key, const void *value,
                  struct text *out);
    /* What a value must be: "a whole number from 1 to 100". */
    void (*explain)(const struct setting_key *key, struct text *out);
    bool list;                        /* without entries it is all zero bytes */
    const char *explained;            /* what `explain` says, if always that */
    const struct setting_unit *units; /* of a number, largest first */
    const char *const *names;         /* of an enumeration, ends with NULL */
};

extern const struct setting_type setting_bool;     /* bool */
extern const struct setting_type setting_count;    /* of 4 or 8 bytes */
extern const struct setting_type setting_size;     /* the same, bytes */
extern const struct setting_type setting_duration; /* uint64_t, ns */
extern const struct setting_type setting_share;    /* double, 0 to 1 */
extern const struct setting_type setting_name;     /* char[max + 1] */
extern const struct setting_type setting_path;     /* char[size] */

/* An enumeration, its values from 0 in the order of `.names`. */
#define SETTING_CHOICE                                            \
    .parse = setting_choice_parse, .print = setting_choice_print, \
    .explain = setting_choice_explain
enum error setting_choice_parse(const struct setting_key *key, const char *text,
                                void *value, struct text *why);
void setting_choice_print(const struct setting_key *key, const void *value,
                          struct text *out);
void setting_choice_explain(const struct setting_key *key, struct text *out);

/* Sets a value, a list's entries separated by commas, instead of what the
 * list has or, with `append`, behind it. `base` is the struct of settings.
 * ERR_SYNTAX, ERR_FULL: `why` gets "KEY is 'TEXT' but must be ...". */
enum error setting_set(const struct setting_key *key, const char *text,
                       void *base, bool append, struct text *why);

/* The value as text. */
void setting_print(const struct setting_key *key, const void *base,
                   struct text *out);
/* What it means, what it must be and, as a comment that begins with `before`
 * ("#"), the value in `base`: lines of an INI file. */
void setting_print_default(const struct setting_key *key, const void *base,
                           const char *before, struct text *out);

/* ---- What the kinds share ---------------------------------------------- */

/* Says type->explained. */
void setting_explain_fixed(const struct setting_key *key, struct text *out);
/* Says that key->max `entries` are all that a list may have: ERR_FULL. */
enum error setting_list_full(const struct setting_key *key, const char *entries,
                             struct text *why);
/* The next word of `text`, which is moved behind it; false when there is
 * none or it is too long. */
bool setting_next_word(const char **text, char *out, size_t size);
bool setting_is_blank(const char *text);
/* A whole number without a sign. */
bool setting_read_number(const char *text, uint64_t *out);
/* "30s", "15m" or "2h", in ns; how it is written; and what one must be: "a
 * duration from ...". */
bool setting_read_duration(const char *text, uint64_t *out);
void setting_print_duration(uint64_t ns, struct text *out);
/* The same for sizes in bytes. */
bool setting_read_size(const char *text, uint64_t *out);
void setting_print_size(uint64_t bytes, struct text *out);
void setting_explain_duration(uint64_t min, uint64_t max, struct text *out);
/* Digits with at most one point, and nothing else: no sign, no exponent, in
 * every locale. */
bool setting_read_real(const char *text, double *out);
/* 5%, 0.5% or 0.005: 0 to 1. */
bool setting_read_share(const char *text, double *out);

#endif
