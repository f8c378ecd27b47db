/* SPDX-License-Identifier: MIT
 *
 * The INI file: its sections and keys, and what was meant where they are
 * unknown.
 */
#include "node/config/config_source.h"

#include "base/setting/ini.h"
#include "base/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool known_section(const char *name)
{
    for (size_t i = 0; config_sections[i] != NULL; i++) {
        if (strcmp(config_sections[i], name) == 0)
            return true;
    }
    return false;
}

static void unknown_section(struct config_loader *l, const char *where,
                            const char *name)
{
    struct text all;

    for (size_t i = 0; config_sections[i] != NULL; i++) {
        if (words_similar(name, config_sections[i])) {
            config_loader_report(l, where,
                                 "unknown section [%s]; did you mean [%s]?",
                                 name, config_sections[i]);
            return;
        }
    }
    text_init(&all, CONFIG_WHERE_SIZE);
    for (size_t i = 0; config_sections[i] != NULL; i++)
        text_addf(&all, " [%s]", config_sections[i]);
    config_loader_report(l, where, "unknown section [%s]; there are%s", name,
                         text_get(&all));
    text_deinit(&all);
}

static const char *nearest_key(const char *section, const char *name)
{
    const char *best = NULL;

    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];

        if (strcmp(key->section, section) == 0 &&
            words_similar(name, key->name) &&
            (best == NULL ||
             words_distance(name, key->name) < words_distance(name, best)))
            best = key->name;
    }
    return best;
}

static void unknown_key(struct config_loader *l, const char *where,
                        const char *section, const char *name)
{
    const struct setting_key *elsewhere = config_key_find(NULL, name);
    const char *near = nearest_key(section, name);

    if (elsewhere != NULL)
        config_loader_report(l, where,
                             "unknown key '%s' in [%s]; it belongs in [%s]",
                             name, section, elsewhere->section);
    else if (near != NULL)
        config_loader_report(l, where,
                             "unknown key '%s' in [%s]; did you mean '%s'?",
                             name, section, near);
    else if (config_key_find(section, NULL) == NULL)
        config_loader_report(l, where,
                             "unknown key '%s'; [%s] has no keys in this "
                             "version",
                             name, section);
    else
        config_loader_report(l, where,
                             "unknown key '%s' in [%s]; `warren config "
                             "default` shows all keys",
                             name, section);
}

static void read_section(struct config_loader *l, const char *where,
                         unsigned line, const char *name)
{
    l->service = NULL;
    l->skipped = NULL;
    if (config_load_service(l, where, line, name))
        return;
    l->skipped = known_section(name) ? NULL : name;
    if (l->skipped != NULL)
        unknown_section(l, where, name);
}

/* Of a section that is unknown only that is said: its keys follow from it. */
static void read_pair(struct config_loader *l, const char *where,
                      const struct ini_item *item)
{
    const struct setting_key *key = NULL;

    if (l->service != NULL) {
        config_load_service_pair(l, where, item->line, item->key, item->value);
        return;
    }
    if (item->section != NULL)
        key = config_key_find(item->section, item->key);
    if (key != NULL)
        config_loader_set(l, key, item->value, CONFIG_FROM_FILE, item->line,
                          where);
    else if (item->section == NULL)
        config_loader_report(l, where,
                             "key '%s' stands before any section; begin with "
                             "a line like [node]",
                             item->key);
    else if (l->skipped == NULL)
        unknown_key(l, where, item->section, item->key);
}

static void read_items(struct config_loader *l, char *text, size_t len)
{
    char where[CONFIG_WHERE_SIZE];
    struct ini_item item;
    struct ini ini;

    ini_init(&ini, text, len);
    while (ini_next(&ini, &item)) {
        snprintf(where, sizeof(where), "%s:%u", l->file, item.line);
        if (item.kind == INI_PAIR)
            read_pair(l, where, &item);
        else if (item.kind == INI_SECTION)
            read_section(l, where, item.line, item.section);
        else
            config_loader_report(l, where, "%s", item.error);
    }
}

/* Bytes read, at most `size`; -1 with errno. */
static ssize_t read_file(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t len = 0;
    ssize_t r = -1;
    int saved;

    if (fd < 0)
        return -1;
    while (len < size) {
        r = read(fd, buf + len, size - len);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        len += (size_t)r;
    }
    saved = errno;
    close(fd);
    errno = saved;
    return r < 0 ? -1 : (ssize_t)len;
}

void config_load_file(struct config_loader *l, const char *path)
{
    char *buf = malloc(CONFIG_FILE_MAX + 1);
    ssize_t len = -1;

    l->file = path;
    if (buf != NULL)
        len = read_file(path, buf, CONFIG_FILE_MAX);
    if (len < 0) {
        config_loader_report(l, path, "cannot be read: %s", strerror(errno));
        l->error = ERR_IO;
    } else if (len == CONFIG_FILE_MAX) {
        config_loader_report(l, path,
                             "is too large; a configuration has less than 1m");
    } else {
        read_items(l, buf, (size_t)len);
    }
    free(buf);
}
