/* SPDX-License-Identifier: MIT
 *
 * Reads settings from a file, from the environment and from flags, and says
 * where each mistake is. The parts of config_load.
 */
#ifndef WARREN_NODE_CONFIG_CONFIG_SOURCE_H
#define WARREN_NODE_CONFIG_CONFIG_SOURCE_H

#include "base/error.h"
#include "base/text.h"
#include "node/config/config.h"
#include "node/config/config_keys.h"

#include <stdbool.h>

#define CONFIG_FILE_MAX   (1024 * 1024)
#define CONFIG_NAME_SIZE  128                     /* of a flag, a variable */
#define CONFIG_WHERE_SIZE (CONFIG_PATH_SIZE + 16) /* "FILE:LINE" */

enum config_source {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_ENVIRONMENT,
    CONFIG_FROM_PROGRAM,
    CONFIG_FROM_FLAGS
};

struct config_loader {
    struct config config;
    struct text *errors; /* the caller's */
    enum error error;    /* of the first mistake */
    const char *file;
    const char *skipped;            /* the unknown section that we are in */
    struct config_service *service; /* the [service NAME] that we are in */
    unsigned service_lines[CONFIG_SERVICES_MAX]; /* where each begins */
    unsigned service_set[CONFIG_SERVICE_KEYS];   /* lines of keys; 0: not yet */
    struct {
        enum config_source source;
        unsigned line; /* FROM_FILE */
        bool full;     /* a list that `source` has more for: said once */
    } set[CONFIG_KEYS_MAX];
};

/* "WARREN_DHT_MAX_ITEMS", "dht.max_items" and "--dht.max_items". */
void config_environment_name(const struct setting_key *key,
                             char name[CONFIG_NAME_SIZE]);
void config_setting_name(const struct setting_key *key,
                         char name[CONFIG_NAME_SIZE]);
void config_flag_name(const struct setting_key *key,
                      char name[CONFIG_NAME_SIZE]);

/* Where --config or --config=F stands, if it does. */
void config_find_file_flag(int argc, char *const *argv, const char **file);

/* Reports a mistake that stands at `where`. */
void config_loader_report(struct config_loader *l, const char *where,
                          const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets a key from `source`; a mistake stands at `where`. */
void config_loader_set(struct config_loader *l, const struct setting_key *key,
                       const char *text, enum config_source source,
                       unsigned line, const char *where);

void config_load_file(struct config_loader *l, const char *path);
void config_load_environment(struct config_loader *l, char *const *environment);
void config_load_settings(struct config_loader *l,
                          const struct warren_setting *settings, size_t count);
void config_load_flags(struct config_loader *l, int argc, char *const *argv);

/* "service NAME": begins that section, or reports what is wrong with it; false
 * when it is another kind of section. */
bool config_load_service(struct config_loader *l, const char *where,
                         unsigned line, const char *section);
/* A pair in it. */
void config_load_service_pair(struct config_loader *l, const char *where,
                              unsigned line, const char *name,
                              const char *value);

/* Whether any source has set the key. */
bool config_loader_has(const struct config_loader *l, const char *section,
                       const char *name);
/* Reports what is wrong with a key, with the place where it was
 * set if it was. */
void config_loader_error(struct config_loader *l, const char *section,
                         const char *name, const char *what);

#endif
