/* Numbers as DWARF writes them; for cfi*.c only. Each moves *at on, never beyond end. */
#ifndef LOCKJAM_CFI_READER_H
#define LOCKJAM_CFI_READER_H

#include <stdbool.h>
#include <stdint.h>

uint64_t cfi_read_uleb(const uint8_t **at, const uint8_t *end);
int64_t cfi_read_sleb(const uint8_t **at, const uint8_t *end);
/* An address in a DW_EH_PE_ encoding; false for encodings that linkers do not write here. */
bool cfi_read_address(const uint8_t **at, const uint8_t *end, uint8_t encoding, uint64_t *value);

#endif
