/* SPDX-License-Identifier: MIT */
#include "node/config/config_source.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool assign_one(const struct config_key *key, const char *text,
                       struct config *config, struct text *why)
{
    size_t before = why->len;

    text_addf(why, "%s is '", key->name);
    text_add_printable(why, bytes_of(text, strnlen(text, 200)));
    text_add(why, "' but must be ");
    if (!config_value_parse(key, text, config, why))
        return false;
    text_cut(why, before);
    return true;
}

bool config_assign(const struct config_key *key, const char *text,
                   struct config *config, bool append, struct text *why)
{
    char part[CONFIG_PATH_SIZE];

    if (!config_type_is_list(key->type))
        return assign_one(key, text, config, why);
    if (!append)
        config_value_clear(key, config);
    for (;;) {
        size_t len = strcspn(text, ",");
        size_t from = strspn(text, " \t");
        size_t to = len;

        while (to > from && (text[to - 1] == ' ' || text[to - 1] == '\t'))
            to--;
        if (from > to)
            from = to;
        snprintf(part, sizeof(part), "%.*s", (int)(to - from), text + from);
        if (!assign_one(key, part, config, why))
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

static void report(struct config_loader *l, const char *where, const char *what)
{
    text_addf(l->errors, "%s: ", where);
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

void config_loader_set(struct config_loader *l, const struct config_key *key,
                       const char *text, enum config_source source,
                       unsigned line, const char *where)
{
    size_t i = (size_t)(key - config_keys);
    bool again = l->set[i].source == source;
    struct text why;

    if (again && source == CONFIG_FROM_FILE &&
        !config_type_is_list(key->type)) {
        config_loader_report(l, where,
                             "%s is set twice, first on line %u; leave one",
                             key->name, l->set[i].line);
        return;
    }
    text_init(&why, 1024);
    if (!config_assign(key, text, &l->config, again, &why))
        report(l, where, text_get(&why));
    text_deinit(&why);
    l->set[i].source = source;
    l->set[i].line = line;
}

void config_environment_name(const struct config_key *key,
                             char name[CONFIG_NAME_SIZE])
{
    int n = snprintf(name, CONFIG_NAME_SIZE, "WARREN_%s_%s", key->section,
                     key->name);

    for (int i = 0; i < n; i++)
        name[i] = (char)toupper((unsigned char)name[i]);
}

void config_setting_name(const struct config_key *key,
                         char name[CONFIG_NAME_SIZE])
{
    snprintf(name, CONFIG_NAME_SIZE, "%s.%s", key->section, key->name);
}

void config_flag_name(const struct config_key *key, char name[CONFIG_NAME_SIZE])
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

void config_loader_error(struct config_loader *l, const char *section,
                         const char *name, const char *what)
{
    const struct config_key *key = config_key_find(section, name);
    char where[CONFIG_WHERE_SIZE];

    assert(key != NULL);
    where_set(l, (size_t)(key - config_keys), where);
    report(l, where, what);
}
