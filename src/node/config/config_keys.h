/* SPDX-License-Identifier: MIT
 *
 * The table of all settings, and the kinds of values that they have.
 */
#ifndef WARREN_NODE_CONFIG_CONFIG_KEYS_H
#define WARREN_NODE_CONFIG_CONFIG_KEYS_H

#include "base/error.h"
#include "base/text.h"
#include "node/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_type;

struct config_key {
    const char *section, *name;
    const struct config_type *type;
    size_t offset, size; /* of the value in struct config(_service) */
    uint64_t min, max;   /* numbers: the value; names: bytes; lists: entries */
    const char *init;    /* the default as text; NULL: what config.c says */
    const char *shown;   /* in its place, where it depends on the user */
    bool reloadable;
    const char *flag;         /* short form without "--", or NULL */
    const char *flag_value;   /* the short form takes no value and means this */
    const char *flag_meaning; /* of the short form, if it says less */
    const char *meaning;      /* one or more lines */
};

#define CONFIG_KEYS_MAX 192 /* of the table, for arrays beside it */

extern const struct config_key config_keys[];
extern const size_t config_keys_count;

extern const char *const config_sections[]; /* ends with NULL */

/* The keys of a section [service NAME], in struct config_service. */
#define CONFIG_SERVICE_KEYS 5
extern const struct config_key config_service_keys[CONFIG_SERVICE_KEYS];
/* With the defaults of its keys, and no name. */
void config_service_init(struct config_service *service);

/* The key, or NULL. Section or name of NULL match any. */
const struct config_key *config_key_find(const char *section, const char *name);

/* ---- Kinds of values --------------------------------------------------- */

struct config_unit {
    const char *suffix;
    uint64_t factor;
};

/* `value` is the key's member of struct config. */
struct config_type {
    /* Sets the value or, of a list, adds one entry; an empty one adds none.
     * ERR_SYNTAX, ERR_FULL (key->max entries are there): then the value is as
     * before, and `why` gets what the text must be where that is more than
     * `explain` says. */
    enum error (*parse)(const struct config_key *key, const char *text,
                        void *value, struct text *why);
    /* As `parse` reads it, entries of a list joined by ", ". */
    void (*print)(const struct config_key *key, const void *value,
                  struct text *out);
    /* What a value must be: "a whole number from 1 to 100". */
    void (*explain)(const struct config_key *key, struct text *out);
    bool list;                       /* without entries it is all zero bytes */
    const char *explained;           /* what `explain` says, if always that */
    const struct config_unit *units; /* of a number, largest first */
    const char *const *names;        /* of an enumeration, ends with NULL */
};

/* config_value.c */
extern const struct config_type config_bool;     /* bool */
extern const struct config_type config_count;    /* unsigned */
extern const struct config_type config_size;     /* bytes: of 4 or 8 bytes */
extern const struct config_type config_duration; /* uint64_t, ns */
extern const struct config_type config_level;    /* enum log_level */
extern const struct config_type config_format;   /* enum log_format */
extern const struct config_type config_name;     /* char[max + 1] */
extern const struct config_type config_path;     /* char[CONFIG_PATH_SIZE] */
/* config_address.c */
extern const struct config_type config_listen;    /* struct config_endpoints */
extern const struct config_type config_endpoints; /* the same, of others */
extern const struct config_type config_hosts;     /* struct config_hosts */
extern const struct config_type config_names;     /* struct config_names */
extern const struct config_type config_http;      /* struct config_http */
/* config_socks.c */
/* struct config_listeners; of dns none is Unix's */
extern const struct config_type config_socks, config_dns;
/* config_tunnel.c */
extern const struct config_type config_hops;   /* bool[ONION_HOPS_MAX + 1] */
extern const struct config_type config_policy; /* struct config_policy */

/* "127.0.0.1:1080" or "unix:/PATH"; returns `out`. */
#define CONFIG_LISTENER_SIZE (CONFIG_SOCKET_SIZE + 8)
const char *config_print_listener(const struct config_listener *l,
                                  char out[CONFIG_LISTENER_SIZE]);
/* The first one that other machines can reach, or NULL. */
const struct config_listener *
config_public_listener(const struct config_listeners *list);

/* The value of a key as text. */
void config_print(const struct config_key *key, const struct config *config,
                  struct text *out);

/* ---- What the kinds share ---------------------------------------------- */

/* Says type->explained. */
void config_explain_fixed(const struct config_key *key, struct text *out);
/* Says that key->max `entries` are all that a list may have: ERR_FULL. */
enum error config_list_full(const struct config_key *key, const char *entries,
                            struct text *why);
/* The next word of `text`, which is moved behind it; false when there is
 * none or it is too long. */
bool config_next_word(const char **text, char *out, size_t size);
bool config_is_blank(const char *text);
/* "unix:/PATH"; false for anything else, and for a path that is too long. */
bool config_read_unix(const char *text, char path[CONFIG_SOCKET_SIZE]);
/* A whole number without a sign. */
bool config_read_number(const char *text, uint64_t *out);
/* "30s", "15m" or "2h", in ns; and what one must be: "a duration from ...". */
bool config_read_duration(const char *text, uint64_t *out);
void config_explain_duration(uint64_t min, uint64_t max, struct text *out);
/* What a declared family is called in descriptors; false for none (""). */
bool config_family_id(const char *name, uint8_t id[32]);
/* Where streams go: as was `set`, or as datagrams do but for what is abused. */
void config_derive_tcp(const struct config_policy *set,
                       const struct config_policy *datagrams,
                       struct config_policy *out);

#endif
