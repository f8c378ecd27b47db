/* SPDX-License-Identifier: MIT
 *
 * A program without a network of its own: it is led to the daemon's proxy by
 * torsocks or proxychains4, which stand in for functions of the C library, or
 * by variables that programs may look at. Neither holds one that goes past
 * them.
 */
#ifndef WARREN_CLI_EXEC_EXEC_PRELOAD_H
#define WARREN_CLI_EXEC_EXEC_PRELOAD_H

#include "base/error.h"
#include "cli/exec/exec_socks.h"

enum exec_preload { EXEC_TORSOCKS, EXEC_PROXYCHAINS, EXEC_VARIABLES };

/* What there is here, the best first. */
enum exec_preload exec_preload_find(void);
/* "torsocks", "proxychains4", "proxy variables" */
const char *exec_preload_name(enum exec_preload p);

/* Becomes the program, as execvp; returns with errno. */
void exec_preload_run(enum exec_preload p, const struct exec_proxy *proxy,
                      char **program);

/* Variables that name a proxy: in a network of its own a program reaches none,
 * and needs none. */
void exec_forget_proxies(void);

#endif
