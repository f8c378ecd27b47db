/* SPDX-License-Identifier: MIT
 *
 * The table of all settings, and their values as text.
 */
#ifndef WARREN_NODE_CONFIG_CONFIG_KEYS_H
#define WARREN_NODE_CONFIG_CONFIG_KEYS_H

#include "base/text.h"
#include "node/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
    CONFIG_BOOL,      /* bool */
    CONFIG_COUNT,     /* unsigned */
    CONFIG_SIZE,      /* unsigned, bytes */
    CONFIG_BYTES,     /* uint64_t, bytes */
    CONFIG_DURATION,  /* uint64_t, ns */
    CONFIG_LEVEL,     /* enum log_level */
    CONFIG_FORMAT,    /* enum log_format */
    CONFIG_NAME,      /* char[DHT_NETWORK_MAX + 1] */
    CONFIG_PATH,      /* char[CONFIG_PATH_SIZE] */
    CONFIG_LISTEN,    /* struct config: listen, listen_count */
    CONFIG_HOSTS,     /* struct config: bootstrap, bootstrap_count */
    CONFIG_HTTP,      /* struct config: http, http_listen */
    CONFIG_FAMILY,    /* char[DHT_NETWORK_MAX + 1], empty for none */
    CONFIG_HOPS,      /* struct config: tunnel_build */
    CONFIG_ENDPOINTS, /* struct config_endpoints, at most `max` */
    CONFIG_POLICY     /* struct config: exit_policy, exit_policy_count */
};

struct config_key {
    const char *section, *name;
    enum config_type type;
    size_t offset;     /* of the value in struct config */
    uint64_t min, max; /* COUNT, SIZE, BYTES, DURATION */
    const char *init;  /* the default as text; NULL: `init_text` below */
    bool reloadable;
    const char *flag;       /* short form without "--", or NULL */
    const char *flag_value; /* the short form takes no value and means this */
    const char *meaning;    /* one or more lines */
};

/* What stands for a default that depends on who runs the daemon. */
const char *config_key_init_text(const struct config_key *key);

#define CONFIG_KEYS_MAX 128 /* of the table, for arrays beside it */

extern const struct config_key config_keys[];
extern const size_t config_keys_count;

extern const char *const config_sections[]; /* ends with NULL */

/* The key, or NULL. Section or name of NULL match any. */
const struct config_key *config_key_find(const char *section, const char *name);

bool config_type_is_list(enum config_type type);

/* Sets one value, or adds one element to a list; an empty one adds none.
 * False when the text is not right, and then `why` ends with what it must
 * be: "a whole number from 1 to 100". */
bool config_value_parse(const struct config_key *key, const char *text,
                        struct config *config, struct text *why);
/* What a value must be: "a whole number from 1 to 100". */
void config_value_explain(const struct config_key *key, struct text *out);
/* Empties a list. */
void config_value_clear(const struct config_key *key, struct config *config);
/* The value as config_value_parse reads it, list elements joined by ", ". */
void config_value_print(const struct config_key *key,
                        const struct config *config, struct text *out);

/* ---- For config_value.c: the types that are made of addresses ---- */

bool config_read_number(const char *text, uint64_t *out);
/* One element each. False without a word in `why`: not of the right form. */
bool config_parse_listen(const char *text, struct config *config,
                         struct text *why);
bool config_parse_hosts(const char *text, struct config *config,
                        struct text *why);
bool config_parse_http(const char *text, struct config *config);
void config_print_listen(const struct config *config, struct text *out);
void config_print_hosts(const struct config *config, struct text *out);
void config_print_http(const struct config *config, struct text *out);

/* ---- For config_value.c: the types of [tunnel] and [exit] ---- */

bool config_parse_hops(const char *text, struct config *config);
bool config_parse_endpoints(const char *text, unsigned max,
                            struct config_endpoints *list, struct text *why);
bool config_parse_policy(const char *text, struct config *config,
                         struct text *why);
void config_print_hops(const struct config *config, struct text *out);
void config_print_endpoints(const struct config_endpoints *list,
                            struct text *out);
void config_print_policy(const struct config *config, struct text *out);
/* What a declared family is called in descriptors; false for none (""). */
bool config_family_id(const char *name, uint8_t id[32]);

#endif
