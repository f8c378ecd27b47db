/* SPDX-License-Identifier: MIT
 *
 * What reading a scenario remembers between a key and the check of all: the
 * parts of scenario_load.
 */
#ifndef WARREN_SIM_SCENARIO_SCENARIO_LOAD_H
#define WARREN_SIM_SCENARIO_SCENARIO_LOAD_H

#include "sim/scenario/scenario_keys.h"

#define SCENARIO_KEYS_MAX   256 /* of a table */
#define SCENARIO_NAME_SIZE  128
#define SCENARIO_WHERE_SIZE (SETTING_TEXT_SIZE + 16)

/* A table of keys, and where their values go. */
struct scenario_table {
    const struct setting_key *keys;
    size_t count;
    bool (*may_set)(const struct setting_key *key); /* NULL: all */
    const char *before; /* of the names of its sections: "variant " */
    void *base;
    struct {
        const char *where; /* that set it last; NULL: the default */
        unsigned line;     /* in the file */
        bool full;         /* a list that there is more for: said once */
    } set[SCENARIO_KEYS_MAX];
};

#define SCENARIO_TABLES 3

struct scenario_loader {
    struct scenario_table table[SCENARIO_TABLES];
    unsigned tables;
    struct scenario *scenario;
    struct text *errors;
    const char *file;
    enum error error; /* of the first mistake */
};

/* Tables of all that can be set in `scenario` and `daemon` (may be NULL). */
void scenario_tables(struct scenario_table table[SCENARIO_TABLES],
                     unsigned *count, struct scenario *scenario,
                     const struct scenario_daemon *daemon);
/* The next key that may be set, from `i` on; false: there is none. */
bool scenario_next_key(const struct scenario_table *t, size_t *i);

void scenario_report(struct scenario_loader *l, const char *where,
                     const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* scenario_check.c: reports values that do not go together, each with the
 * place of one of them. */
void scenario_check(struct scenario_loader *l);

#endif
