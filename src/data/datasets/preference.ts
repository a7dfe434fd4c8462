/**
 * Two answers to one question, as LLaVA-Hound's `sft_dpo_17k.jsonl` and LLaVA-NeXT's `train_dpo.py` have them.
 *
 * {"id": "v_GsPSbBmcBkc-Scene-011_2", "video": "v_GsPSbBmcBkc-Scene-011", "prompt": "<video>\nWhat does the woman do?", "chosen": "She
 * …", "rejected": "He …", "answer": "…"}
 *
 * The tags of the prompt are taken out, and one `<image>` is put in front where there is a picture or a clip.
 * Paper: arXiv:2404.01258. Format: `load_data` and `load_json` of `llava/train/train_dpo.py`, LLaVA-VL/LLaVA-NeXT at df17966;
 * huggingface.co/datasets/ShareGPTVideo/train_video_and_instruction (Apache 2.0).
 */
import { idOf, imagesOf, originOf, textOf, videosOf, type RowFormat } from '../row-format.ts'

export const preference: RowFormat = {
  name: 'preference',
  about: 'prompt, chosen and rejected with image or video',
  matches: (row) => 'chosen' in row && 'rejected' in row,
  read(row, where) {
    const [images, videos] = [imagesOf(row, where), videosOf(row, where)]
    const media = [...images, ...videos]
    const question = textOf(row['prompt'], 'prompt', where)
      .replaceAll('<image>', '')
      .replaceAll('<video>', '')
      .trim()
    return {
      id: idOf(row),
      origin: originOf(row, media),
      images,
      videos,
      prompt: `${'<image>\n'.repeat(media.length)}${question}`,
      chosen: textOf(row['chosen'], 'chosen', where),
      rejected: textOf(row['rejected'], 'rejected', where),
    }
  },
}
