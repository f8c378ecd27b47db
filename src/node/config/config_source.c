/* SPDX-License-Identifier: MIT
 *
 * What the sources of settings share: what is wrong with a value is reported
 * with the place where it stands. config_file.c and
 * config_flags.c find out which key and which text.
 */
#include "node/config/config_source.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Both may have what somebody wrote into a file, a variable, a flag. */
static void report(struct config_loader *l, const char *where, const char *what)
{
    text_add_printable(l->errors, bytes_of_text(where));
    text_add(l->errors, ": ");
    text_add_printable(l->errors, bytes_of_text(what));
    text_add(l->errors, "\n");
    if (l->error == OK)
        l->error = ERR_SYNTAX;
}

void config_loader_report(struct config_loader *l, const char *where,
                          const char *format, ...)
{
    struct text what;
    va_list args;

    text_init(&what, 1024);
    va_start(args, format);
    text_vaddf(&what, format, args);
    va_end(args);
    report(l, where, text_get(&what));
    text_deinit(&what);
}

void config_loader_set(struct config_loader *l, const struct setting_key *key,
                       const char *text, enum config_source source,
                       unsigned line, const char *where)
{
    size_t i = (size_t)(key - config_keys);
    bool again = l->set[i].source == source;
    struct text why;
    enum error err;

    if (again && source == CONFIG_FROM_FILE && !key->type->list) {
        config_loader_report(l, where,
                             "%s is set twice, first on line %u; leave one",
                             key->name, l->set[i].line);
        return;
    }
    if (again && l->set[i].full)
        return;
    text_init(&why, 1024);
    err = setting_set(key, text, &l->config, again, &why);
    if (err != OK)
        report(l, where, text_get(&why));
    text_deinit(&why);
    l->set[i].source = source;
    l->set[i].line = line;
    l->set[i].full = err == ERR_FULL;
}

void config_environment_name(const struct setting_key *key,
                             char name[CONFIG_NAME_SIZE])
{
    int n = snprintf(name, CONFIG_NAME_SIZE, "WARREN_%s_%s", key->section,
                     key->name);

    for (int i = 0; i < n; i++)
        name[i] = (char)toupper((unsigned char)name[i]);
}

void config_setting_name(const struct setting_key *key,
                         char name[CONFIG_NAME_SIZE])
{
    snprintf(name, CONFIG_NAME_SIZE, "%s.%s", key->section, key->name);
}

void config_flag_name(const struct setting_key *key,
                      char name[CONFIG_NAME_SIZE])
{
    snprintf(name, CONFIG_NAME_SIZE, "--%s.%s", key->section, key->name);
}

static void where_set(const struct config_loader *l, size_t i,
                      char where[CONFIG_WHERE_SIZE])
{
    char name[CONFIG_NAME_SIZE] = "";

    switch (l->set[i].source) {
    case CONFIG_FROM_FILE:
        snprintf(where, CONFIG_WHERE_SIZE, "%s:%u", l->file, l->set[i].line);
        return;
    case CONFIG_FROM_ENVIRONMENT:
        config_environment_name(&config_keys[i], name);
        break;
    case CONFIG_FROM_PROGRAM:
        config_setting_name(&config_keys[i], name);
        break;
    case CONFIG_FROM_FLAGS:
        config_flag_name(&config_keys[i], name);
        break;
    case CONFIG_FROM_DEFAULT:
        snprintf(name, CONFIG_NAME_SIZE, "%s", config_keys[i].name);
        break;
    }
    snprintf(where, CONFIG_WHERE_SIZE, "%s", name);
}

static size_t index_of(const char *section, const char *name)
{
    const struct setting_key *key = config_key_find(section, name);

    assert(key != NULL);
    return (size_t)(key - config_keys);
}

bool config_loader_has(const struct config_loader *l, const char *section,
                       const char *name)
{
    return l->set[index_of(section, name)].source != CONFIG_FROM_DEFAULT;
}

void config_loader_error(struct config_loader *l, const char *section,
                         const char *name, const char *what)
{
    char where[CONFIG_WHERE_SIZE];

    where_set(l, index_of(section, name), where);
    report(l, where, what);
}
