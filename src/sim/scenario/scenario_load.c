/* SPDX-License-Identifier: MIT
 *
 * Reads a scenario: a file's lines, then what a command line has on top. Every
 * mistake is told, with what was meant where that is near.
 */
#include "sim/scenario/scenario_load.h"

#include "base/setting/ini.h"
#include "base/words.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1024 * 1024)
#define VARIANT  2 /* its place among the tables */

void scenario_report(struct scenario_loader *l, const char *where,
                     const char *format, ...)
{
    struct text what;
    va_list args;

    text_init(&what, SETTING_TEXT_SIZE);
    va_start(args, format);
    text_vaddf(&what, format, args);
    va_end(args);
    text_add_printable(l->errors, bytes_of_text(where));
    text_add(l->errors, ": ");
    text_add_printable(l->errors, bytes_of_text(text_get(&what)));
    text_add(l->errors, "\n");
    text_deinit(&what);
    l->error = ERR_SYNTAX;
}

/* ---- Tables -------------------------------------------------------------- */

void scenario_tables(struct scenario_table table[SCENARIO_TABLES],
                     unsigned *count, struct scenario *scenario,
                     const struct scenario_daemon *daemon)
{
    static const char *const before[] = {"", "variant "};

    table[0] = (struct scenario_table){.keys = scenario_keys,
                                       .count = scenario_keys_count,
                                       .before = "",
                                       .base = scenario};
    *count = 1;
    for (int i = 0; i < 2 && daemon != NULL; i++)
        table[(*count)++] = (struct scenario_table){.keys = daemon->keys,
                                                    .count = daemon->key_count,
                                                    .may_set = daemon->may_set,
                                                    .before = before[i],
                                                    .base = daemon->base[i]};
    assert(scenario_keys_count <= SCENARIO_KEYS_MAX &&
           (daemon == NULL || daemon->key_count <= SCENARIO_KEYS_MAX));
}

bool scenario_next_key(const struct scenario_table *t, size_t *i)
{
    while (*i < t->count && t->may_set != NULL && !t->may_set(&t->keys[*i]))
        ++*i;
    return *i < t->count;
}

/* "variant dht" for a key of [dht] in the third table. */
static const char *section_name(const struct scenario_table *t, size_t i,
                                char name[SCENARIO_NAME_SIZE])
{
    snprintf(name, SCENARIO_NAME_SIZE, "%s%s", t->before, t->keys[i].section);
    return name;
}

/* ---- What was meant -------------------------------------------------------
 */

/* The nearest section, or the nearest key of `section`; NULL: none is near. */
static const char *nearest(struct scenario_loader *l, const char *section,
                           const char *typed, char best[SCENARIO_NAME_SIZE])
{
    char name[SCENARIO_NAME_SIZE];
    bool found = false;

    for (unsigned t = 0; t < l->tables; t++) {
        for (size_t i = 0; scenario_next_key(&l->table[t], &i); i++) {
            const char *word = section_name(&l->table[t], i, name);

            if (section != NULL && strcmp(section, word) != 0)
                continue;
            if (section != NULL)
                word = l->table[t].keys[i].name;
            if (!words_similar(typed, word) ||
                (found &&
                 words_distance(typed, best) <= words_distance(typed, word)))
                continue;
            snprintf(best, SCENARIO_NAME_SIZE, "%s", word);
            found = true;
        }
    }
    return found ? best : NULL;
}

static bool has_section(struct scenario_loader *l, const char *section)
{
    char name[SCENARIO_NAME_SIZE];

    for (unsigned t = 0; t < l->tables; t++) {
        for (size_t i = 0; scenario_next_key(&l->table[t], &i); i++) {
            if (strcmp(section_name(&l->table[t], i, name), section) == 0)
                return true;
        }
    }
    return false;
}

static void unknown_section(struct scenario_loader *l, const char *where,
                            const char *section)
{
    char best[SCENARIO_NAME_SIZE];

    if (nearest(l, NULL, section, best) != NULL)
        scenario_report(l, where, "unknown section [%s]; did you mean [%s]?",
                        section, best);
    else
        scenario_report(l, where,
                        "unknown section [%s]; 'warren sim --default' shows "
                        "all that there are",
                        section);
}

static void unknown_key(struct scenario_loader *l, const char *where,
                        const char *section, const char *name)
{
    char best[SCENARIO_NAME_SIZE];

    if (nearest(l, section, name, best) != NULL)
        scenario_report(l, where, "unknown key %s in [%s]; did you mean %s?",
                        name, section, best);
    else
        scenario_report(l, where,
                        "unknown key %s in [%s]; 'warren sim --default' shows "
                        "all that there are",
                        name, section);
}

/* ---- Setting one ----------------------------------------------------------
 */

static struct scenario_table *find(struct scenario_loader *l,
                                   const char *section, const char *key,
                                   size_t *out)
{
    char name[SCENARIO_NAME_SIZE];

    for (unsigned t = 0; t < l->tables; t++) {
        for (size_t i = 0; scenario_next_key(&l->table[t], &i); i++) {
            if (strcmp(section_name(&l->table[t], i, name), section) == 0 &&
                strcmp(l->table[t].keys[i].name, key) == 0) {
                *out = i;
                return &l->table[t];
            }
        }
    }
    return NULL;
}

/* What engines have in common is the variant's too, unless it says else. */
static void inherit(struct scenario_loader *l, const struct scenario_table *t,
                    size_t i)
{
    struct scenario_table *variant = &l->table[VARIANT];
    size_t at = t->keys[i].offset;

    if (t == &l->table[VARIANT - 1] && variant->set[i].where == NULL)
        memcpy((char *)variant->base + at, (const char *)t->base + at,
               t->keys[i].size);
}

/* `line` 0: not of the file; `source` tells a list's next line from another
 * source, which replaces it. */
static void set(struct scenario_loader *l, const char *section,
                const char *name, const char *value, const char *source,
                unsigned line, const char *where)
{
    size_t i;
    struct scenario_table *t = find(l, section, name, &i);
    bool again, list;
    struct text why;
    enum error err;

    if (t == NULL) {
        unknown_key(l, where, section, name);
        return;
    }
    list = t->keys[i].type->list;
    again = t->set[i].where == source && line != 0;
    if (again && !list) {
        scenario_report(l, where,
                        "%s is set twice, first on line %u; leave one", name,
                        t->set[i].line);
        return;
    }
    if (again && t->set[i].full)
        return;
    text_init(&why, SETTING_TEXT_SIZE);
    err = setting_set(&t->keys[i], value, t->base, again && list, &why);
    if (err != OK)
        scenario_report(l, where, "%s", text_get(&why));
    text_deinit(&why);
    t->set[i].where = source;
    t->set[i].line = line;
    t->set[i].full = err == ERR_FULL;
    inherit(l, t, i);
}

/* ---- Sources --------------------------------------------------------------
 */

static void read_lines(struct scenario_loader *l, char *text, size_t len)
{
    char where[SCENARIO_WHERE_SIZE];
    const char *skipped = NULL;
    struct ini_item item;
    struct ini ini;

    ini_init(&ini, text, len);
    while (ini_next(&ini, &item)) {
        snprintf(where, sizeof(where), "%s:%u", l->file, item.line);
        if (item.kind == INI_ERROR) {
            scenario_report(l, where, "%s", item.error);
        } else if (item.kind == INI_SECTION) {
            skipped = has_section(l, item.section) ? NULL : item.section;
            if (skipped != NULL)
                unknown_section(l, where, item.section);
        } else if (item.section == NULL) {
            scenario_report(l, where,
                            "%s stands before the first section; put [run] or "
                            "another one before it",
                            item.key);
        } else if (skipped == NULL) {
            set(l, item.section, item.key, item.value, l->file, item.line,
                where);
        }
    }
}

static void load_file(struct scenario_loader *l, const char *path)
{
    char *text = malloc(FILE_MAX + 2);
    FILE *f = text == NULL ? NULL : fopen(path, "re");
    size_t len;

    l->file = path;
    if (f == NULL) {
        scenario_report(l, path, "%s", strerror(errno));
        l->error = text == NULL ? ERR_NO_MEMORY : ERR_IO;
        free(text);
        return;
    }
    len = fread(text, 1, FILE_MAX + 1, f);
    if (ferror(f)) {
        scenario_report(l, path, "%s", strerror(errno));
        l->error = ERR_IO;
    } else if (len > FILE_MAX) {
        scenario_report(l, path, "has more than 1 MiB: is it a scenario?");
    } else {
        read_lines(l, text, len);
    }
    fclose(f);
    free(text);
}

/* "variant.dht.max_peers" is the key of [variant dht]. */
static void override(struct scenario_loader *l,
                     const struct scenario_override *o)
{
    const char *dot = strrchr(o->name, '.');
    char section[SCENARIO_NAME_SIZE];
    char *inner;

    if (dot == NULL || dot == o->name || dot[1] == '\0' ||
        dot - o->name >= SCENARIO_NAME_SIZE) {
        scenario_report(l, o->where,
                        "'%s' must be a section and a key, like network.loss",
                        o->name);
        return;
    }
    snprintf(section, sizeof(section), "%.*s", (int)(dot - o->name), o->name);
    inner = strchr(section, '.');
    if (inner != NULL)
        *inner = ' ';
    if (!has_section(l, section))
        unknown_section(l, o->where, section);
    else
        set(l, section, dot + 1, o->value, o->where, 0, o->where);
}

enum error scenario_load(const char *path, const struct scenario_daemon *daemon,
                         const struct scenario_override *overrides,
                         size_t count, struct scenario *out,
                         struct text *errors)
{
    struct scenario_loader *l = calloc(1, sizeof(*l));
    struct scenario *s = malloc(sizeof(*s));
    enum error err = ERR_NO_MEMORY;

    if (l != NULL && s != NULL) {
        scenario_init(s);
        *l = (struct scenario_loader){.scenario = s, .errors = errors};
        scenario_tables(l->table, &l->tables, s, daemon);
        if (path != NULL)
            load_file(l, path);
        for (size_t i = 0; i < count; i++)
            override(l, &overrides[i]);
        if (l->error == OK)
            scenario_check(l);
        err = l->error;
        if (err == OK)
            *out = *s;
    }
    free(s);
    free(l);
    return err;
}
