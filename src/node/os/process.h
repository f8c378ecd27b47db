/* SPDX-License-Identifier: MIT
 *
 * Facts about this process from the kernel.
 */
#ifndef WARREN_NODE_OS_PROCESS_H
#define WARREN_NODE_OS_PROCESS_H

#include <stdint.h>

/* Bytes in RAM; 0 when the kernel does not say. */
uint64_t process_resident(void);

#endif
