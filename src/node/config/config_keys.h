/* SPDX-License-Identifier: MIT
 *
 * The table of all settings, and the kinds of values that they have.
 */
#ifndef WARREN_NODE_CONFIG_CONFIG_KEYS_H
#define WARREN_NODE_CONFIG_CONFIG_KEYS_H

#include "base/error.h"
#include "base/setting/setting.h"
#include "base/text.h"
#include "node/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_KEYS_MAX 224 /* of the table, for arrays beside it */

extern const struct setting_key config_keys[];
extern const size_t config_keys_count;

extern const char *const config_sections[]; /* ends with NULL */

/* The keys of a section [service NAME], in struct config_service. */
#define CONFIG_SERVICE_KEYS 5
extern const struct setting_key config_service_keys[CONFIG_SERVICE_KEYS];
/* With the defaults of its keys, and no name. */
void config_service_init(struct config_service *service);

/* The key, or NULL. Section or name of NULL match any. */
const struct setting_key *config_key_find(const char *section,
                                          const char *name);

/* ---- Kinds of values --------------------------------------------------- */

/* config_keys.c */
extern const struct setting_type config_level;  /* enum log_level */
extern const struct setting_type config_format; /* enum log_format */
/* enum config_meeting_place */
extern const struct setting_type config_meeting_place;
/* config_address.c */
extern const struct setting_type config_listen;    /* struct config_endpoints */
extern const struct setting_type config_endpoints; /* the same, of others */
extern const struct setting_type config_hosts;     /* struct config_hosts */
extern const struct setting_type config_names;     /* struct config_names */
extern const struct setting_type config_files;     /* struct config_files */
extern const struct setting_type config_http;      /* struct config_http */
/* As config_hosts, and says another port. */
extern const struct setting_type config_mainline_hosts;
/* config_socks.c */
/* struct config_listeners; of dns none is Unix's */
extern const struct setting_type config_socks, config_dns;
/* config_tunnel.c */
extern const struct setting_type config_hops;   /* bool[ONION_HOPS_MAX + 1] */
extern const struct setting_type config_policy; /* struct config_policy */

/* "127.0.0.1:1080" or "unix:/PATH"; returns `out`. */
#define CONFIG_LISTENER_SIZE (CONFIG_SOCKET_SIZE + 8)
const char *config_print_listener(const struct config_listener *l,
                                  char out[CONFIG_LISTENER_SIZE]);
/* The first one that other machines can reach, or NULL. */
const struct config_listener *
config_public_listener(const struct config_listeners *list);

/* ---- What the kinds share ---------------------------------------------- */

/* "unix:/PATH"; false for anything else, and for a path that is too long. */
bool config_read_unix(const char *text, char path[CONFIG_SOCKET_SIZE]);
/* What a declared family is called in descriptors; false for none (""). */
bool config_family_id(const char *name, uint8_t id[32]);
/* Where streams go: as was `set`, or as datagrams do but for what is abused. */
void config_derive_tcp(const struct config_policy *set,
                       const struct config_policy *datagrams,
                       struct config_policy *out);

#endif
