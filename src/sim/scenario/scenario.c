/* SPDX-License-Identifier: MIT
 *
 * The values of a scenario nobody has set, and values as text.
 */
#include "sim/scenario/scenario.h"

#include "sim/scenario/scenario_load.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NODES_EACH      500 /* for each bootstrap node */
#define BOOTSTRAPS_MOST 30

unsigned scenario_bootstraps(const struct scenario *s)
{
    unsigned by_count = (s->nodes.count + NODES_EACH - 1) / NODES_EACH;

    if (s->nodes.bootstraps > 0)
        return s->nodes.bootstraps < s->nodes.count ? s->nodes.bootstraps
                                                    : s->nodes.count;
    return by_count < BOOTSTRAPS_MOST ? by_count : BOOTSTRAPS_MOST;
}

const char *scenario_dht(const struct scenario *s)
{
    bool mainline = s->nodes.dialect == DHT_DIALECT_MAINLINE;

    if (s->nodes.both > 0)
        return mainline ? "mainline, and some nodes in warren's too"
                        : "warren's, and some nodes in the mainline DHT too";
    return mainline ? "mainline" : NULL;
}

void scenario_init(struct scenario *s)
{
    struct text why;

    memset(s, 0, sizeof(*s));
    text_init(&why, SETTING_TEXT_SIZE);
    for (size_t i = 0; i < scenario_keys_count; i++) {
        const struct setting_key *key = &scenario_keys[i];
        enum error err = OK;

        if (key->init != NULL)
            err = setting_set(key, key->init, s, false, &why);
        assert(err == OK);
    }
    text_deinit(&why);
    for (int i = 0; i < 2; i++) {
        dht_config_init(&s->engines[i].dht);
        member_config_init(&s->engines[i].tunnel);
    }
}

/* Below 128 KB: on the heap. */
static struct scenario_table *tables_new(struct scenario *s,
                                         const struct scenario_daemon *daemon,
                                         unsigned *count)
{
    struct scenario_table *t = calloc(SCENARIO_TABLES, sizeof(*t));

    *count = 0;
    if (t != NULL)
        scenario_tables(t, count, s, daemon);
    return t;
}

static void print_defaults(const struct scenario_table *t, struct text *out)
{
    const char *section = "";

    for (size_t i = 0; scenario_next_key(t, &i); i++) {
        if (strcmp(t->keys[i].section, section) != 0) {
            section = t->keys[i].section;
            text_addf(out, "\n[%s]\n", section);
        }
        text_add(out, "\n");
        setting_print_default(&t->keys[i], t->base, "#", out);
    }
}

void scenario_print_defaults(const struct scenario_daemon *daemon,
                             struct text *out)
{
    struct scenario_table *t;
    struct scenario s;
    unsigned count;

    scenario_init(&s);
    text_add(out,
             "# Every key of a scenario for 'warren sim'. The lines that begin "
             "with # and a\n# key are the defaults: take the # away to set "
             "one. --set SECTION.KEY=VALUE\n# overrides a file. Durations are "
             "500ms, 30s, 15m, 2h, 1d.\n");
    t = tables_new(&s, daemon, &count);
    for (unsigned i = 0; i < count && i < 2; i++)
        print_defaults(&t[i], out);
    if (count == SCENARIO_TABLES)
        text_add(out, "\n# The same keys for a share of the nodes; what is not "
                      "set here is as above.\n#\n# [variant dht]\n#\n# "
                      "[variant tunnel]\n");
    free(t);
}

static bool shapes_results(const struct setting_key *key)
{
    return strcmp(key->section, "run") != 0 ||
           (strcmp(key->name, "seed") != 0 &&
            strcmp(key->name, "threads") != 0);
}

void scenario_print_values(const struct scenario *s,
                           const struct scenario_daemon *daemon,
                           struct text *out)
{
    struct scenario copy = *s;
    unsigned count;
    struct scenario_table *t = tables_new(&copy, daemon, &count);

    for (unsigned n = 0; n < count; n++) {
        for (size_t i = 0; scenario_next_key(&t[n], &i); i++) {
            const struct setting_key *key = &t[n].keys[i];

            if (n == 0 && !shapes_results(key))
                continue;
            text_addf(out, "%s%s.%s = ", t[n].before, key->section, key->name);
            setting_print(key, t[n].base, out);
            text_add(out, "\n");
        }
    }
    free(t);
}
