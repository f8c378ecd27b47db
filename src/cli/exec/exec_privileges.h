/* SPDX-License-Identifier: MIT
 *
 * What a program in namespaces of ours does not get.
 */
#ifndef WARREN_CLI_EXEC_EXEC_PRIVILEGES_H
#define WARREN_CLI_EXEC_EXEC_PRIVILEGES_H

#include <stdbool.h>

/* A program that this process becomes keeps those over the network, which only
 * root's would otherwise. False, with errno. */
bool exec_keep_network_privileges(void);

/* Gives up all capabilities, in all sets, for good, and those that a program
 * could give; root keeps those over files and ids, which have no say in the
 * network. Sockets of families that no namespace keeps apart (AF_VSOCK leads to
 * the host of a virtual machine) can be made no more, and there is no io_uring.
 * False, with errno. */
bool exec_drop_privileges(bool keep_files);

/* Closes sockets beyond standard error that are not Unix ones: they are in the
 * network of whoever has opened them. */
void exec_close_leaky(void);

#endif
