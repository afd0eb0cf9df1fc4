"""Formats of outputs, each behind the same contract.

A video is rendered in chunks, on many machines. A chunk is always a media file with one video track, one packet for each
frame, and a key frame at its start. Assembly never encodes it again. This decides what a format consists of:

- A `codec.Codec` says how the pictures of a chunk are encoded: the encoder with all of its options, the pixel formats with
  and without alpha, the container of the chunk's file, and how a repeated picture is written. `encode.ChunkEncoder` does
  it, for every codec.
- A `join.Join` writes the output. Its base reads each chunk, compares it with the first one and with the plan, decodes it in
  full, and hands its packets to ``_write`` in the order of the frames. `join.FileJoin` copies them to a muxer of FFmpeg,
  with the sound between them. Other outputs implement ``_write``, ``_close`` and ``_abandon``.
- A `format.Format` has a name, the endings of its outputs, its codecs (the first one is the default), the encoding of its
  sound, ``join``, which returns the writer, and ``verify``, which opens the finished output again and compares it with the
  plan. `conformance.verify` does so for files of FFmpeg's muxers.
- An output whose name has no ending is a folder if the format is ``in_folders``: then `join.Join` gets an existing folder as its
  output, and ``owns`` names the files that a later render may replace. A format without ``sound`` has none.

To add a format, write a module with its `Format` and the codecs that only it has, and add it to ``FORMATS`` in
`hfdask.formats.table`. Options, command line, plans, keys of chunks, assembly and the tests of all formats take it from there.

The plan has the name of the format (`hfdask.core.model.Manifest.format`) and the settings of its encoder. A chunk's key
contains these settings but not the format, so formats with the same chunks share them.
"""
