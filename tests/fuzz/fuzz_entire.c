/*
 * A checkpoint of Entire: its files one after the other, a NUL between them
 * (metadata.json, a session's metadata.json, prompt.txt, content_hash.txt).
 */
#include "provenance.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum document_kind kinds[] = { DOCUMENT_ENTIRE_CHECKPOINT,
		DOCUMENT_ENTIRE_SESSION, DOCUMENT_ENTIRE_PROMPT,
		DOCUMENT_ENTIRE_TRANSCRIPT };
	GG_AUTO(change_report) r = fuzz_report();
	struct view rest = view_of(data, size), one;

	for (size_t i = 0; i < GG_COUNT(kinds); i++) {
		if (!view_cut(&rest, '\0', &one)) {
			one = rest;
			rest = view_of(NULL, 0);
		}
		fuzz_document(r, kinds[i], "0123456789ab", i > 0 ? "0" : "",
		    one);
	}
	fuzz_check_records(r);
	return 0;
}
