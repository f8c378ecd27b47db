/* SPDX-License-Identifier: MIT
 *
 * A DHT of the program's (struct warren_dht_provider), as the tunnels want
 * one. Items that it brings are verified here, so that a careless one does no
 * harm.
 */
#ifndef WARREN_LIB_LIB_PROVIDER_H
#define WARREN_LIB_LIB_PROVIDER_H

#include "tunnel/directory/dht_provider.h"

struct warren_dht_provider;
struct lib_provider;

/* `theirs` is borrowed. `answered` is called after each answer that came from
 * outside: the tunnels' deadline may have changed. NULL when memory is out. */
struct lib_provider *lib_provider_new(const struct warren_dht_provider *theirs,
                                      void (*answered)(void *arg), void *arg);
/* Cancels what runs. */
void lib_provider_free(struct lib_provider *p);

const struct dht_provider *lib_provider_table(const struct lib_provider *p);

#endif
